"""Files into PostgreSQL: what lands."""

import gzip
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from loading import load, query, state_of, tabular, write_csv, write_lastfm

from assets.ingest import lines
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.mapping import read_mapping
from assets.ingest.records import Progress
from assets.ingest.sample_world import SampleWorld, generate
from assets.ingest.tabular import Tabular
from tests.repository import ROOT
from warehouse.errors import AudoticsError

MBID = "f1b1cf71-bd35-4e99-8624-24a6e15f133a"


def test_a_listen_lands_with_its_user_track_and_artist(warehouse_url: str, tmp_path: Path) -> None:
    path = write_lastfm(
        tmp_path,
        ("user_000002", "2009-05-04T23:08:57Z", MBID, "Deep Dish", "", "Fuck Me I'm Famous"),
        ("user_000001", "2009-05-04T13:54:10Z", "", "坂本龍一", MBID.upper(), "Composition 0919"),
    )
    report = load(warehouse_url, LastFm1k(), path)
    assert (report.rows_loaded, report.format, report.already_loaded) == (2, "lastfm-1k", False)
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert query(warehouse_url, "SELECT user_key, user_id, file_id FROM raw.users ORDER BY 1") == [
        (0, "user_000002", 1),
        (1, "user_000001", 1),
    ]
    artist_key = "name:坂本龍一"
    assert query(
        warehouse_url, "SELECT artist_key, natural_key, artist_id, artist_mbid, name FROM raw.artists ORDER BY 1"
    ) == [
        (0, f"mbid:{MBID}", MBID, MBID, "Deep Dish"),
        (1, artist_key, "nm-" + hashlib.md5(artist_key.encode()).hexdigest(), None, "坂本龍一"),
    ]
    track_key = "name:deep dish\x1ffuck me i'm famous"
    assert query(
        warehouse_url,
        "SELECT track_key, natural_key, track_id, recording_mbid, title, artist_key FROM raw.tracks ORDER BY 1",
    ) == [
        (0, track_key, "nm-" + hashlib.md5(track_key.encode()).hexdigest(), None, "Fuck Me I'm Famous", 0),
        (1, f"mbid:{MBID}", MBID, MBID, "Composition 0919", 1),
    ]
    assert query(
        warehouse_url,
        "SELECT user_key, track_key, listened_at, ms_played, skipped, source, file_id FROM raw.listens ORDER BY 1",
    ) == [
        (0, 0, datetime(2009, 5, 4, 23, 8, 57, tzinfo=UTC), None, None, "lastfm-1k", 1),
        (1, 1, datetime(2009, 5, 4, 13, 54, 10, tzinfo=UTC), None, None, "lastfm-1k", 1),
    ]


def test_a_world_with_planted_defects_is_accounted_for_to_the_row(warehouse_url: str, tmp_path: Path) -> None:
    world = SampleWorld(users=60, tracks=400, listens=6_000, until=date(2026, 11, 22))
    planted = generate(tmp_path, world)
    report = load(warehouse_url, LastFm1k(), tmp_path)
    assert planted == {
        "rows_read": report.rows_read,
        "rows_loaded": report.rows_loaded,
        "rows_rejected": report.rows_rejected,
        "rows_duplicate": report.rows_duplicate,
        "rejected_by_reason": {reason: report.rejected_by_reason[reason] for reason in planted["rejected_by_reason"]},
    }
    assert set(report.rejected_by_reason) == set(planted["rejected_by_reason"])
    assert query(warehouse_url, "SELECT count(*) FROM raw.listens") == [(planted["rows_loaded"],)]
    assert (
        dict(query(warehouse_url, "SELECT reason, count(*) FROM raw.rejected_listens GROUP BY 1"))
        == (planted["rejected_by_reason"])
    )


def test_the_same_bytes_twice_change_nothing_and_are_reported_as_loaded(warehouse_url: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path, "ada,1400000000,x", "ada,1400000000,x", ",1400000000,x", "bob,1400000001,y")
    first = load(warehouse_url, tabular(), path)
    before = state_of(warehouse_url)
    renamed = path.rename(tmp_path / "again.csv")
    second = load(warehouse_url, tabular(), renamed)
    assert state_of(warehouse_url) == before
    assert (first.already_loaded, second.already_loaded) == (False, True)
    counts = ("rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "rejected_by_reason", "sha256", "format")
    assert [getattr(second, name) for name in counts] == [getattr(first, name) for name in counts]
    assert (first.rows_read, first.rows_loaded, first.rows_rejected, first.rows_duplicate) == (4, 2, 1, 1)


def test_the_same_bytes_under_another_mapping_are_refused_with_the_way_to_undo_the_load(
    warehouse_url: str, tmp_path: Path
) -> None:
    path = write_csv(tmp_path, "ann,1700000000,a")
    load(warehouse_url, tabular(), path)
    state = state_of(warehouse_url)
    with pytest.raises(AudoticsError, match=r"its listens would be there twice; .* `audotics ingest forget 1`"):
        load(warehouse_url, tabular(source="elsewhere"), path)
    assert state_of(warehouse_url) == state


def test_an_overlapping_file_adds_only_what_is_new(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x", "bob,1400000001,y"))
    longer = write_csv(tmp_path, "bob,1400000001,y", "ada,1400000000,x", "cyd,1400000002,x", name="longer.csv")
    report = load(warehouse_url, tabular(), longer)
    assert (report.rows_loaded, report.rows_duplicate) == (1, 2)
    assert query(warehouse_url, "SELECT user_id, file_id FROM raw.users ORDER BY user_key") == [
        ("ada", 1),
        ("bob", 1),
        ("cyd", 2),
    ]


def test_of_duplicates_in_a_file_the_first_line_wins(warehouse_url: str, tmp_path: Path) -> None:
    source = tabular(columns={"user_id": "u", "listened_at": "t", "track_id": "id", "ms_played": "ms"})
    rows = [f"ada,1400000000,x,{1000 + number}" for number in range(50)]
    report = load(warehouse_url, source, write_csv(tmp_path, *rows, header="u,t,id,ms"))
    assert (report.rows_loaded, report.rows_duplicate) == (1, 49)
    assert query(warehouse_url, "SELECT ms_played FROM raw.listens") == [(1000,)]


def test_the_same_instant_with_another_track_is_another_listen(warehouse_url: str, tmp_path: Path) -> None:
    report = load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x", "ada,1400000000,y"))
    assert (report.rows_loaded, report.rows_duplicate) == (2, 0)


def test_keys_are_dense_and_follow_the_first_line_whatever_the_batches(
    new_warehouse: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"user {n * 37 % 101},{1400000000 + n},track {n * n % 211}" for n in range(3000)]
    path = write_csv(tmp_path, *rows)
    states = []
    for block_bytes in (1 << 20, 999):
        url = new_warehouse()
        read = partial(lines.read_lines, block_bytes=block_bytes)
        monkeypatch.setattr("assets.ingest.delimited.read_lines", read)
        load(url, tabular(), path)
        states.append(state_of(url))
        tracks = list(dict.fromkeys(row.rpartition(",")[2] for row in rows))
        assert query(url, "SELECT track_key, track_id FROM raw.tracks ORDER BY 1") == list(enumerate(tracks))
    assert states[0] == states[1]


def test_a_public_id_that_another_source_has_taken_gives_way_to_the_natural_key(
    warehouse_url: str, tmp_path: Path
) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,7"))
    other = tabular(source="club")
    load(warehouse_url, other, write_csv(tmp_path, "ada,1400000001,7", "ada,1400000002,8", name="club.csv"))
    assert query(warehouse_url, "SELECT track_key, natural_key, track_id FROM raw.tracks ORDER BY 1") == [
        (0, "shop:7", "7"),
        (1, "club:7", "club:7"),
        (2, "club:8", "8"),
    ]
    assert query(warehouse_url, "SELECT user_id FROM raw.users") == [("ada",)]


def test_two_new_tracks_that_want_one_public_id_both_get_one(warehouse_url: str, tmp_path: Path) -> None:
    columns = {"user_id": "u", "listened_at": "t", "track_id": "id", "recording_mbid": "mbid"}
    source = tabular(columns=columns)
    path = write_csv(tmp_path, f"ada,1400000000,7,{MBID}", "ada,1400000001,7,", header="u,t,id,mbid")
    load(warehouse_url, source, path)
    assert query(warehouse_url, "SELECT natural_key, track_id FROM raw.tracks ORDER BY track_key") == [
        (f"mbid:{MBID}", "7"),
        ("shop:7", "shop:7"),
    ]


def test_the_four_formats_of_the_same_listens_load_the_same(new_warehouse: Callable[[], str], tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "u": ["ada", "bob", "ada"],
            "t": [1400000000, 1400000001, 1400000002],
            "id": ["x", "y, z", 'q "q"'],
            "title": ["Röads", "Two", "Three"],
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    rows = [frame.columns, *frame.astype(str).itertuples(index=False)]
    (tmp_path / "a.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True, force_ascii=False)
    frame.to_parquet(tmp_path / "a.parquet")
    source = tabular(columns={"user_id": "u", "listened_at": "t", "track_id": "id", "title": "title"})
    states = []
    for name in ("a.csv", "a.csv.gz", "a.tsv", "a.jsonl", "a.parquet"):
        url = new_warehouse()
        assert load(url, source, tmp_path / name).rows_loaded == 3, name
        states.append({table: state_of(url)[table] for table in ("users", "tracks", "listens")})
    assert all(state == states[0] for state in states)


@pytest.mark.parametrize(
    ("mapping", "name", "row", "expected"),
    [
        (
            "csv_export.toml",
            "scrobbles.csv",
            "Portishead,Dummy,Roads,14 Jul 2014 23:08",
            ("me", "Roads", "Portishead", datetime(2014, 7, 14, 21, 8, tzinfo=UTC), None, None),
        ),
        (
            "player_log.toml",
            "player.jsonl",
            '{"user": {"name": "ada"}, "track": {"id": "t1", "title": "Roads", "artists": [{"name": "Portishead"}]},'
            ' "ended_at": 1405379280000, "ms_played": 305000, "skipped": false}',
            ("ada", "Roads", "Portishead", datetime(2014, 7, 14, 23, 2, 55, tzinfo=UTC), 305000, False),
        ),
    ],
)
def test_the_row_shown_in_each_example_mapping_loads(
    warehouse_url: str, tmp_path: Path, mapping: str, name: str, row: str, expected: tuple
) -> None:
    path = tmp_path / name
    path.write_text(row, encoding="utf-8")
    assert load(warehouse_url, Tabular(read_mapping(ROOT / "examples" / "mappings" / mapping)), path).rows_loaded == 1
    assert query(
        warehouse_url,
        "SELECT user_id, title, name, listened_at, ms_played, skipped FROM raw.listens"
        " INNER JOIN raw.users USING (user_key) INNER JOIN raw.tracks USING (track_key)"
        " INNER JOIN raw.artists USING (artist_key)",
    ) == [expected]


def test_values_that_were_replaced_by_null_are_counted_in_the_report(warehouse_url: str, tmp_path: Path) -> None:
    source = tabular(columns={"user_id": "u", "listened_at": "t", "track_id": "id", "ms_played": "s"}, played_unit="s")
    rows = ["ada,1400000000,x,-4", "ada,1400000001,x,90000", "ada,1400000002,x,12", "ada,1400000003,x,"]
    report = load(warehouse_url, source, write_csv(tmp_path, *rows, header="u,t,id,s"))
    assert (report.rows_loaded, report.nulled) == (4, {"ms_played": 2})
    assert query(warehouse_url, "SELECT ms_played FROM raw.listens ORDER BY listened_at") == [
        (None,),
        (None,),
        (12000,),
        (None,),
    ]


def test_progress_covers_reading_and_writing(warehouse_url: str, tmp_path: Path) -> None:
    seen: list[Progress] = []
    path = write_csv(tmp_path, "ada,1400000000,x", "bob,1400000000,x")
    load_files(warehouse_url, tabular(), [path], seen.append)
    assert {step.stage for step in seen} == {"reading", "writing"}
    for stage in ("reading", "writing"):
        done = [step.done for step in seen if step.stage == stage]
        assert done == sorted(done)
        assert done[-1] == 1.0
    assert {step.rows_read for step in seen} == {2}


def test_two_processes_may_load_different_files_at_once(warehouse_url: str, tmp_path: Path) -> None:
    paths = [
        write_csv(
            tmp_path,
            *(f"user {n % 97},{1400000000 + part * 100_000 + n},track {(n * part) % 1009}" for n in range(20_000)),
            name=f"part{part}.csv",
        )
        for part in range(1, 5)
    ]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda path: load(warehouse_url, tabular(), path), paths))
    assert [report.rows_loaded for report in reports] == [20_000] * 4
    assert query(warehouse_url, "SELECT count(*), max(user_key) FROM raw.users") == [(97, 96)]
    tracks, highest = query(warehouse_url, "SELECT count(*), max(track_key) FROM raw.tracks")[0]
    assert tracks == highest + 1 == 1009
    assert query(warehouse_url, "SELECT count(*) FROM raw.listens") == [(80_000,)]


def test_two_processes_with_the_same_file_load_it_once(warehouse_url: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path, *(f"user {n % 97},{1400000000 + n},t{n % 11}" for n in range(20_000)))
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: load(warehouse_url, tabular(), path), range(3)))
    assert sorted(report.already_loaded for report in reports) == [False, True, True]
    assert query(warehouse_url, "SELECT count(*) FROM raw.ingest_files") == [(1,)]
    assert query(warehouse_url, "SELECT count(*) FROM raw.listens") == [(20_000,)]


@pytest.mark.parametrize("next_is_refused", [False, True])
def test_the_planner_knows_of_what_was_loaded(warehouse_url: str, tmp_path: Path, next_is_refused: bool) -> None:
    files = [write_csv(tmp_path, "ada,1400000000,x", "bob,1400000001,y")]
    if next_is_refused:
        files.append(write_csv(tmp_path, "ada,1400000000,x", header="no,such,columns", name="next.csv"))
    with pytest.raises(AudoticsError) if next_is_refused else nullcontext():
        load_files(warehouse_url, tabular(), files)
    known = "select relname::text, reltuples::int from pg_class where relname in ('users', 'tracks', 'listens')"
    assert sorted(query(warehouse_url, known)) == [("listens", 2), ("tracks", 2), ("users", 2)]
