"""A small sample world as analysts find it: loaded, and every model built."""

from datetime import date
from pathlib import Path

from dbt_process import Dbt

from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import SampleWorld, generate

WORLD = SampleWorld(until=date(2026, 6, 1), users=60, tracks=200, listens=5_000, days=100)

# The Last.fm layout knows neither: half of the users get both.
_PLAYED_AND_SKIPPED = """
update raw.listens set ms_played = 1000 * (60 + track_key % 240), skipped = track_key % 5 = 0
where user_key % 2 = 0
"""
_SILENT_DAYS = (
    "delete from raw.listens where (listened_at at time zone 'UTC')::date between '2026-05-04' and '2026-05-06'"
)


def load_sample(warehouse_url: str, folder: Path) -> None:
    """Generate the world in the folder, profiles included, and load it."""
    generate(folder, WORLD)
    load_files(warehouse_url, LastFm1k(), [folder])


def build_sample(warehouse_url: str, folder: Path) -> None:
    """Load the world into a migrated warehouse, with three days of silence, and build and test every model."""
    load_sample(warehouse_url, folder)
    dbt = Dbt(warehouse_url)
    dbt.query(_PLAYED_AND_SKIPPED)
    dbt.query(_SILENT_DAYS)
    # Unit tests of increments take their columns from relations that stand already.
    dbt("build", "--exclude-resource-type", "unit_test")
