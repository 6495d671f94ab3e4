"""What a run of the nightly job is said to have done."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from orchestration.night import LandedFolder, Night, night
from orchestration.runs import RunReport

LANDING = "/data/landing"


def file(name: str, read: int, loaded: int, rejected: int, already: bool = False) -> dict[str, Any]:
    return {
        "file": f"{LANDING}/{name}",
        "format": name.partition("/")[0],
        "rows_read": read,
        "rows_loaded": loaded,
        "rows_rejected": rejected,
        "rows_duplicate": read - loaded - rejected,
        "rows_left_out": 0,
        "already_loaded": already,
    }


def schema(rows: list[dict[str, Any]]) -> dg.TableSchema:
    return dg.TableSchema(columns=[dg.TableColumn(name) for name in (rows[0] if rows else ("file",))])


def made(
    files: list[dict[str, Any]],
    release: Mapping[str, Any],
    trained: Mapping[str, dg.MetadataValue] | None = None,
    not_loaded: Mapping[str, str] | None = None,
) -> Night:
    faults = [{"file": file, "reason": reason} for file, reason in (not_loaded or {}).items()]
    tables = {
        name: dg.MetadataValue.table(list(map(dg.TableRecord, rows)), schema(rows))
        for name, rows in (("files", files), ("not_loaded", faults))
    }
    released = {
        name: dg.MetadataValue.bool(value) if isinstance(value, bool) else dg.MetadataValue.text(value)
        for name, value in release.items()
    }
    materialized: dict[str, Mapping[str, dg.MetadataValue]] = {
        "raw/ingest_files": tables,
        "release": released,
    }
    if trained is not None:
        materialized["rankers"] = trained
    return night(RunReport("run", "nightly", date(2026, 6, 1), (), 1.0, materialized), LANDING)


PUBLISHED = {"published": True, "release": "2026-06-01-a", "repaired": "none"}


def test_rows_are_added_up_by_folder_and_what_was_loaded_before_is_not_counted_again() -> None:
    done = made(
        [
            file("lastfm-1k/march.tsv", 10, 8, 1),
            file("lastfm-1k/world/listens.tsv", 100, 90, 4, already=True),
            file("tabular/shop/may.csv", 5, 5, 0),
            file("tabular/shop/2026/june.csv", 7, 1, 2),
            file("tabular/shop/2026/april.csv", 9, 9, 0, already=True),
        ],
        PUBLISHED,
    )
    assert done.landed == [
        LandedFolder("lastfm-1k", "lastfm-1k", 1, 0, 10, 8, 1, 1),
        LandedFolder("lastfm-1k/world", "lastfm-1k", 0, 1),
        LandedFolder("tabular/shop", "tabular", 2, 1, 12, 6, 2, 4),
    ]
    assert [folder.line() for folder in done.landed] == [
        "lastfm-1k (lastfm-1k): 1 file, 10 rows read, 8 loaded, 1 rejected, 1 duplicate",
        "lastfm-1k/world (lastfm-1k): 1 file loaded before",
        "tabular/shop (tabular): 2 files, 12 rows read, 6 loaded, 2 rejected, 4 duplicate; 1 file loaded before",
    ]
    assert done.as_json()["landed"][1]["loaded_before"] == 1


def test_what_is_not_loaded_is_said_with_its_reason() -> None:
    reason = "cut.csv.gz is damaged; fetch or compress it again"
    done = made([file("tabular/shop/may.csv", 5, 5, 0)], PUBLISHED, not_loaded={"/data/landing/cut.csv.gz": reason})
    assert done.landed_lines() == [
        "tabular/shop (tabular): 1 file, 5 rows read, 5 loaded, 0 rejected, 0 duplicate",
        f"not loaded: /data/landing/cut.csv.gz: {reason}",
    ]
    assert done.as_json()["not_loaded"] == [{"file": "/data/landing/cut.csv.gz", "reason": reason}]


def test_a_run_that_published_names_its_release_and_one_of_an_older_date_none() -> None:
    published = made([], PUBLISHED)
    assert (published.release, published.live_release, published.landed) == ("2026-06-01-a", "2026-06-01-a", [])
    assert (published.as_json()["not_published"], published.as_json()["repaired"]) == (None, None)
    assert published.release_lines() == ["release 2026-06-01-a is live"]
    why = "2026-06-01-a is not published: the live release 2026-07-01-b is of a later date"
    refused = {"published": False, "not_published": why, "live_release": "2026-07-01-b", "repaired": "none"}
    older = made([], refused)
    assert (older.as_json()["release"], older.as_json()["live_release"]) == (None, "2026-07-01-b")
    assert older.as_json()["not_published"] == why
    assert older.release_lines() == [f"lists made as of 2026-06-01; {why}, and stays live"]


def test_a_run_that_loaded_a_damaged_release_again_says_what_was_damaged() -> None:
    damage = "the release 2026-06-01-a is damaged in Redis: Redis has 0 artist records, 7 were published"
    repaired = made([], PUBLISHED | {"repaired": damage})
    assert repaired.as_json()["repaired"] == damage
    assert repaired.release_lines() == [f"{damage}; it is loaded again", "release 2026-06-01-a is live"]


def test_a_run_says_what_was_not_trained_and_what_the_release_does_not_hold() -> None:
    missing = "no ranker serves for_you yet: its lists are in the order of own_plays\nno lists of discover: nobody"
    lines = missing.splitlines()
    assert made([], PUBLISHED | {"left_out": missing}).as_json()["left_out"] == lines
    why = "no ranker of for_you was trained: its folds are of 1 listener, and a ranker needs 100"
    trained = {"for_you/left_out": dg.MetadataValue.text(why), "dagster/row_count": dg.MetadataValue.int(0)}
    done = made([], PUBLISHED | {"left_out": missing}, trained)
    assert done.release_lines() == ["release 2026-06-01-a is live", why, *lines]
    assert made([], PUBLISHED, {}).left_out == []
