"""Rejected rows are read again: what can be loaded now is, the rest of the load stays, and the counts add up."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from loading import load, natural_state, query, tabular, write_csv

from assets.ingest.formats.recognise import recognise
from assets.ingest.load import load_files
from assets.ingest.records import Progress
from assets.ingest.rejects_export import export_rejects
from assets.ingest.retry import retry_rejects
from assets.ingest.tabular import Tabular
from assets.ingest.undo import undo_load
from quality.suites.raw import raw_listens
from quality.validate import validate
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.roles import Role

ROWS = (
    "ada,1400000000,x",
    "ada,2014-05-13T16:53:30Z,y",
    ",1400000000,x",
    "bob,2014-05-13T16:53:20Z,z",
    "ada,2014-05-13T16:53:20Z,x",
)
BOTH = {"time": {"unit": ["s", "iso8601"]}}
OF_NOBODY = {"listened_at": "t", "track_id": "id"}
COUNTS = "SELECT rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out, rejected FROM raw.ingest_files"
CORRECTED = (5, 3, 1, 1, 0, {"empty_user": 1})


@pytest.fixture
def path(warehouse_url: str, tmp_path: Path) -> Path:
    path = write_csv(tmp_path, *ROWS)
    load(warehouse_url, tabular(), path)
    assert query(warehouse_url, COUNTS) == [(5, 1, 4, 0, 0, {"bad_timestamp": 3, "empty_user": 1})]
    return path


def test_a_corrected_mapping_loads_rejected_rows_under_the_same_load_as_if_it_had_been_right_at_once(
    warehouse_url: str, path: Path, new_warehouse: Callable[[], str], tmp_path: Path
) -> None:
    keys = query(warehouse_url, "SELECT user_key, user_id FROM raw.users")
    report = retry_rejects(warehouse_url, 1, tabular(**BOTH))
    assert (report.retried, report.loaded, report.duplicate, report.rejected) == (4, 2, 1, 1)
    assert query(warehouse_url, COUNTS) == [CORRECTED]
    assert query(warehouse_url, "SELECT user_key, user_id FROM raw.users ORDER BY 1") == [*keys, (1, "bob")]
    assert validate(warehouse_url, raw_listens(), Role.TRANSFORMER).passed
    at_once = new_warehouse()
    load(at_once, tabular(**BOTH), path)
    assert natural_state(warehouse_url) == natural_state(at_once)
    # The corrected mapping is that of the load from now on, and nothing is left to do.
    assert load(warehouse_url, tabular(**BOTH), path).already_loaded
    state = natural_state(warehouse_url)
    assert retry_rejects(warehouse_url, 1, tabular(**BOTH)).loaded == 0
    assert natural_state(warehouse_url) == state
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        undo_load(connection, 1)
    assert all(not rows for rows in natural_state(warehouse_url).values())


def test_rows_that_a_corrected_mapping_leaves_out_are_counted_so(warehouse_url: str, path: Path) -> None:
    source = tabular(**BOTH, leave_out=[{"rule": "nobody", "column": "u", "missing": True}])
    report = retry_rejects(warehouse_url, 1, source)
    assert (report.loaded, report.left_out, report.rejected) == (2, 1, 0)
    assert query(warehouse_url, COUNTS) == [(5, 3, 0, 1, 1, {})]
    assert query(warehouse_url, "SELECT left_out FROM raw.ingest_files") == [({"nobody": 1},)]


def test_what_a_later_file_has_too_goes_to_that_file_when_the_retried_load_is_undone(
    warehouse_url: str, path: Path, tmp_path: Path
) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "bob,1400000000,z", name="later.csv"))
    report = retry_rejects(warehouse_url, 1, tabular(**BOTH))
    assert (report.loaded, report.duplicate) == (1, 2)
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        undo_load(connection, 2)
    assert query(warehouse_url, COUNTS) == [CORRECTED]
    assert query(warehouse_url, "SELECT count(*) FROM raw.listens WHERE file_id = 1") == [(3,)]


@pytest.mark.parametrize("stage", ["reading", "writing"])
def test_an_error_in_the_middle_leaves_everything_as_before(warehouse_url: str, path: Path, stage: str) -> None:
    before = natural_state(warehouse_url)

    def stop(progress: Progress) -> None:
        if progress.stage == stage and progress.done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retry_rejects(warehouse_url, 1, tabular(**BOTH), progress=stop)
    assert natural_state(warehouse_url) == before


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "say with --mapping which one"),
        (tabular(source="club", **BOTH), "their source would be club, not shop"),
        (
            tabular(constants={"user_id": "eve"}, columns={"listened_at": "t", "track_id": "id"}),
            "would be eve, not None",
        ),
        (tabular(leave_out=[{"rule": "ours", "column": "u", "equals": ["ada"]}]), "other rows than before"),
        (tabular(skip_lines=1, header=["u", "t", "id"], comment="bob"), "has 4 rows read this way, and had 5"),
    ],
)
def test_a_mapping_that_would_change_more_than_rejected_rows_is_refused(
    warehouse_url: str, path: Path, source: Tabular | None, message: str
) -> None:
    before = natural_state(warehouse_url)
    with pytest.raises(AudoticsError, match=message):
        retry_rejects(warehouse_url, 1, source)
    assert natural_state(warehouse_url) == before


def test_a_file_that_is_gone_or_another_is_refused_and_found_where_it_is_said_to_lie(
    warehouse_url: str, path: Path
) -> None:
    moved = path.rename(path.with_name("moved.csv"))
    with pytest.raises(AudoticsError, match=r"no file or folder .*listens\.csv.*--path"):
        retry_rejects(warehouse_url, 1, tabular(**BOTH))
    path.write_bytes(moved.read_bytes().replace(b"ada", b"eve"))
    with pytest.raises(AudoticsError, match="has other bytes than what was loaded as file_id 1"):
        retry_rejects(warehouse_url, 1, tabular(**BOTH))
    assert retry_rejects(warehouse_url, 1, tabular(**BOTH), moved).loaded == 2
    with pytest.raises(AudoticsError, match="no load with the file_id 2"):
        retry_rejects(warehouse_url, 2)


def test_a_known_format_is_read_again_without_a_mapping_in_an_archive_too(warehouse_url: str, tmp_path: Path) -> None:
    played = {"ts": "2023-05-01T08:04:00Z", "username": "ada", "ms_played": 60_000, "episode_name": None}
    track = {"master_metadata_track_name": "Roads", "master_metadata_album_artist_name": "Portishead"}
    rows = [played | track | {"spotify_track_uri": "spotify:track:x", "ts": at} for at in (played["ts"], "soon")]
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        packed.writestr("MyData/endsong_0.json", json.dumps(rows))
    recognised = recognise(str(tmp_path / "export.zip"), user="ada")
    load_files(warehouse_url, recognised.source, [recognised.listing])
    before = natural_state(warehouse_url)
    report = retry_rejects(warehouse_url, 1)
    assert (report.format, report.retried, report.loaded, report.reasons) == ("spotify", 1, 0, {"bad_timestamp": 1})
    assert natural_state(warehouse_url) == before


def test_a_log_of_local_times_is_read_again_in_the_zone_it_was_read_in(warehouse_url: str, tmp_path: Path) -> None:
    row = "Portishead\tDummy\tRoads\t3\t305\tL\t{}\t\n"
    log = tmp_path / ".scrobbler.log"
    log.write_text("#AUDIOSCROBBLER/1.1\n#TZ/UNKNOWN\n" + row.format(1405379280) + row.format("soon"))
    recognised = recognise(str(log), user="ada", zone="Europe/Berlin")
    (loaded,) = load_files(warehouse_url, recognised.source, [recognised.listing])
    report = retry_rejects(warehouse_url, 1)
    assert loaded.format == report.format == "scrobbler-log/Europe/Berlin"
    assert (report.retried, report.loaded, report.reasons) == (1, 0, {"bad_timestamp": 1})


def test_rows_that_have_expired_cannot_be_retried(
    warehouse_url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_REJECTS_DAYS", "0")
    load(warehouse_url, tabular(), path)
    with pytest.raises(AudoticsError, match=r"have expired.*`audotics ingest forget 1`"):
        retry_rejects(warehouse_url, 1, tabular(**BOTH))


def test_every_rejected_row_is_exported_or_the_file_stays_as_it_was(
    warehouse_url: str, path: Path, tmp_path: Path
) -> None:
    table, lines = tmp_path / "rejected.csv", tmp_path / "rejected.jsonl"
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        assert export_rejects(connection, table) == 4
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        assert export_rejects(connection, lines, 1, "empty_user") == 1
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert [(row["line"], row["reason"], row["user_id"]) for row in rows[:2]] == [
        ("3", "bad_timestamp", "ada"),
        ("4", "empty_user", ""),
    ]
    (row,) = map(json.loads, lines.read_text("utf-8").splitlines())
    assert row == {
        "file_id": 1,
        "path": str(path),
        "line": 4,
        "reason": "empty_user",
        "fields": {"listened_at": "1400000000", "track_id": "x"},
    }
    for out, message in ((tmp_path / "x.xlsx", r"\.csv or \.jsonl"), (tmp_path / "no" / "x.csv", "cannot write")):
        with (
            create_engine(warehouse_url, Role.LOADER).begin() as connection,
            pytest.raises(AudoticsError, match=message),
        ):
            export_rejects(connection, out)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["listens.csv", "rejected.csv", "rejected.jsonl"]
