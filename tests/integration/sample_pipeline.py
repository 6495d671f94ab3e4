"""The small sample world that the tests named test_pipeline_* share, and the pipeline that has run on it once."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from pipeline_process import Pipeline

from assets.ingest.sample_world import SampleWorld
from warehouse.local.servers import Endpoints

UNTIL = date(2026, 6, 1)
AS_OF = (UNTIL - timedelta(days=14)).isoformat()
WORLD = SampleWorld(until=UNTIL, users=300, tracks=800, listens=30_000, days=200)

# The user who plays one artist more than anybody does before AS_OF.
FAVOURITE = f"""
    select user_id, artist_id from raw.listens
    inner join raw.users using (user_key) inner join raw.tracks using (track_key)
    inner join raw.artists using (artist_key)
    where listened_at < timestamptz '{AS_OF} 00:00:00+00'
    group by user_id, artist_id order by count(*) desc, user_id limit 1
"""


def run_once(folder: Path, endpoints: Endpoints, new_owned_database: Callable[[], str]) -> Pipeline:
    """A pipeline that has run once as of AS_OF, from landed files to a live release, without a superuser.

    The world is in the landing folder already. One user had blocked their favourite artist before.
    """
    redis_url = f"{endpoints.redis_url.rpartition('/')[0]}/5"
    made = Pipeline(new_owned_database(), redis_url, folder)
    made.json("ingest", "lastfm-1k", str(folder / "landing" / "lastfm-1k" / "world"))
    ((user_id, artist_id),) = made.query(FAVOURITE)
    assert made.json("blocks", "add", user_id, "--artist", artist_id)["changed"]
    report = made.json("run", "--as-of", AS_OF)
    assert report["job"] == "training_and_release"
    return made
