"""What people do in the Dagster UI: drop files into the landing folder of a running platform, and watch."""

import gzip
from datetime import date
from typing import Any

import psycopg2
import pytest
from up_process import Up, nothing_left, running, until

from assets.ingest.sample_world import SampleWorld, generate
from warehouse.local.servers import status
from warehouse.settings import Settings

WORLD = SampleWorld(until=date(2026, 6, 1), users=60, tracks=200, listens=3_000, days=60)
ROWS = "uts,artist,track\n" + "".join(f"{1760000000 + 300 * n},Artist {n % 5},Track {n % 9}\n" for n in range(500))
CHECKS = (
    '{assetNodeOrError(assetKey:{path:["raw","ingest_files"]}){... on AssetNode{assetChecksOrError{... on AssetChecks'
    "{checks{name executionForLatestMaterialization{evaluation{success severity description}}}}}}}}"
)
RUNS = "{runsOrError{... on Runs{results{jobName status}}}}"


def check(up: Up) -> dict[str, Any] | None:
    """The check of what has landed, as the UI shows it; None before its first run."""
    checks = up.query(CHECKS)["assetNodeOrError"]["assetChecksOrError"]["checks"]
    (executed,) = (c["executionForLatestMaterialization"] for c in checks if c["name"] == "landed_files_loaded")
    return executed and executed["evaluation"]


def runs(up: Up) -> list[tuple[str, str]]:
    """Job and status of every run."""
    return [(run["jobName"], run["status"]) for run in up.query(RUNS)["runsOrError"]["results"]]


def files_and_listens(settings: Settings) -> list[tuple[str, int]]:
    """Names of the files loaded, and how many rows of each."""
    url = next(server.url for server in status(settings) if server.title == "PostgreSQL")
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "select reverse(split_part(reverse(path), '/', 1)), rows_loaded from raw.ingest_files order by 2"
            )
            return cursor.fetchall()
    finally:
        connection.close()


@pytest.mark.slow
def test_of_three_files_two_load_and_the_broken_one_is_set_aside_until_it_is_repaired(fresh_home: Settings) -> None:
    with nothing_left(fresh_home) as home, running(home) as up:
        landing = home / "landing"
        planted = generate(home / "made", WORLD)
        (landing / "lastfm-1k").mkdir()
        (home / "made").rename(landing / "lastfm-1k" / "world")
        folder = landing / "lastfm" / "ada"
        folder.mkdir(parents=True)
        folder.joinpath("good.csv").write_text(ROWS.replace("17600", "17500"), encoding="utf-8")
        whole = gzip.compress(ROWS.encode())
        broken = folder / "broken.csv.gz"
        broken.write_bytes(whole[:-20])
        # The sensor looks every 30 s, and asks for what it finds twice.
        red = until(lambda: check(up), lambda found: found is not None and "broken.csv.gz" in found["description"])
        assert (red["success"], red["severity"]) == (False, "ERROR")
        assert f"1 file has a fault: {broken} is damaged" in red["description"]
        loaded = files_and_listens(fresh_home)
        assert [rows for _, rows in loaded] == [500, planted["rows_loaded"]]
        broken.write_bytes(whole)
        until(lambda: check(up), lambda found: found is not None and found["success"])
        assert [name for name, _ in files_and_listens(fresh_home)][:2] in (
            ["good.csv", "broken.csv.gz"],
            ["broken.csv.gz", "good.csv"],
        )
        until(lambda: runs(up), lambda found: set(found) == {("landing", "SUCCESS")})
        up.stop()
