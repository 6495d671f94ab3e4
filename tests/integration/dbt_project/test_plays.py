"""One play counts once, whoever tells of it and by which name, and builds by day give what a full build gives."""

import csv
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dbt_process import WITHOUT_TESTS, Dbt

from assets.duplicates import duplicate_rates
from assets.ingest.load import load_files
from assets.ingest.mapping import Mapping
from assets.ingest.tabular import Tabular
from assets.ingest.undo import undo_load
from warehouse.engine import create_engine
from warehouse.roles import Role

BUILD = ("build", *WITHOUT_TESTS, "--select", "staging.raw", "staging.corrections", "intermediate", "marts.core")
COLUMNS = {"user_id": "user", "artist_name": "artist", "title": "title", "listened_at": "time", "ms_played": "ms"}
# Every listen as it was loaded is in one of the three, and what is kept instead of it is there.
SORTED_OUT = """
select
    (select count(*) from raw.listens),
    (select count(*) from core.fct_listens) + (select count(*) from core.fct_uncounted_listens)
        + (select count(*) from core.fct_duplicate_listens),
    (
        select count(*) from core.fct_duplicate_listens as lost
        where not exists (
            select from (
                select user_key, track_key, listened_at, source from core.fct_listens
                union all select user_key, track_key, listened_at, source from core.fct_uncounted_listens
            ) as kept
            where (kept.user_key, kept.track_key, kept.listened_at, kept.source)
                = (lost.user_key, kept_track_key, kept_listened_at, kept_source)
        )
    )
"""


def source(name: str, *more: str) -> Tabular:
    """A source of CSV files with these columns beside the usual ones."""
    columns = COLUMNS | {column: column for column in more}
    return Tabular(Mapping.model_validate({"source": name, "columns": columns, "time": {"unit": "s"}}), name)


SOURCES = {
    "spotify": source("spotify", "track_id"),
    "lastfm": source("lastfm"),
    "listenbrainz": source("listenbrainz", "recording_mbid"),
}


def load(dbt: Dbt, folder: Path, name: str, rows: Iterable[dict[str, object]]) -> int:
    """Load rows as a file of a source; the file_id."""
    path = folder / f"{name}_{len(list(folder.iterdir()))}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, (*COLUMNS.values(), *sorted(SOURCES[name].mapping.columns.keys() - COLUMNS.keys()))
        )
        writer.writeheader()
        writer.writerows(rows)
    (report,) = load_files(dbt.warehouse_url, SOURCES[name], [path])
    assert report.rows_rejected == 0
    return report.file_id


def row(time: int, title: object = "Song", artist: str = "Band", user: str = "u", **more: object) -> dict[str, object]:
    return {"user": user, "artist": artist, "title": title, "time": time, "ms": None} | more


def assert_built_whole(dbt: Dbt) -> None:
    """Build, then build everything from nothing: the same."""
    dbt(*BUILD)
    increments = dbt.contents()
    ((loaded, sorted_out, astray),) = dbt.query(SORTED_OUT)
    assert (sorted_out, astray) == (loaded, 0)
    dbt.query("drop table core.dim_track_identities, core.dim_artist_identities cascade")
    dbt(*BUILD, "--full-refresh")
    assert dbt.contents() == increments


@pytest.mark.slow
def test_ten_plays_from_three_sources_are_ten_listens_of_ten_tracks(warehouse_url: str, tmp_path: Path) -> None:
    dbt = Dbt(warehouse_url)
    skews = (5, 16, 31, 40, 43, 21, 54, 5, 4, 0)
    start = 1463598180
    load(dbt, tmp_path, "lastfm", [row(start + 240 * i + skew, f"Song {i}") for i, skew in enumerate(skews)])
    load(
        dbt, tmp_path, "listenbrainz", [row(start + 240 * i, f"song {i}", "BAND", recording_mbid="") for i in range(10)]
    )
    load(dbt, tmp_path, "spotify", [row(start + 240 * i, f"Song {i}", track_id=f"id{i}") for i in range(10)])
    assert_built_whole(dbt)
    assert dbt.query("select source, count(*), count(distinct track_key) from core.fct_listens group by source") == [
        ("spotify", 10, 10)
    ]
    assert dbt.query("select source, count(*) from core.fct_duplicate_listens group by source order by source") == [
        ("lastfm", 10),
        # The tenth is the same to the second: it was one when it was loaded.
        ("listenbrainz", 9),
    ]
    # The one that was loaded first names it.
    assert dbt.query(
        "select title, count(*) from core.fct_listens inner join core.dim_tracks using (track_key)"
        " where track_id like 'nm-%' group by title order by title"
    ) == [(f"Song {i}", 1) for i in range(10)]
    with create_engine(warehouse_url, Role.TRANSFORMER).connect() as connection:
        rates = {(f"{each.day}", each.source): (each.listens, each.rate) for each in duplicate_rates(connection)}
    assert rates == {
        ("2016-05-18", "lastfm"): (10, 1.0),
        ("2016-05-18", "listenbrainz"): (9, 1.0),
        ("2016-05-18", "spotify"): (10, 0.0),
    }


@pytest.mark.slow
def test_an_undone_load_gives_its_tracks_to_the_other_names_of_them(warehouse_url: str, tmp_path: Path) -> None:
    dbt = Dbt(warehouse_url)
    noon = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())
    spellings = ("Charli XCX", "charli\u200b xcx", "\ufeff\uff23harli  XCX")
    first = load(dbt, tmp_path, "lastfm", [row(noon, artist=spellings[0])])
    for day, artist in enumerate(spellings[1:], 1):
        load(dbt, tmp_path, "lastfm", [row(noon + 86_400 * day, artist=artist)])
    dbt(*BUILD)
    heard = "select distinct artist_name from core.fct_listens inner join core.dim_tracks using (track_key)"
    assert dbt.query(heard) == [(spellings[0],)]
    assert dbt.query(
        "select count(*), count(distinct track_key), count(distinct artist_key) from core.fct_listens"
    ) == [(3, 1, 1)]
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        undo_load(connection, first)
    assert_built_whole(dbt)
    assert dbt.query(heard) == [(spellings[1],)]
    assert dbt.query(
        "select count(*), count(distinct track_key), count(distinct artist_key) from core.fct_listens"
    ) == [(2, 1, 1)]


@pytest.mark.slow
def test_a_correction_by_hand_is_applied_to_what_was_built_and_can_be_taken_back(
    warehouse_url: str, tmp_path: Path
) -> None:
    dbt = Dbt(warehouse_url)
    noon = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())
    load(dbt, tmp_path, "lastfm", [row(noon, artist="Sinéad O'Connor"), row(noon + 86_400, artist="Sinead OConnor")])
    dbt(*BUILD)
    before = dbt.contents()
    counted = "select count(*), count(distinct track_key), count(distinct artist_key) from core.fct_listens"
    assert dbt.query(counted) == [(2, 2, 2)]
    dbt.query(
        "insert into corrections.same_items (item_kind, item_id, same_as_id) select 'artist', other.artist_id,"
        " same.artist_id from raw.artists as other cross join raw.artists as same"
        " where other.name = 'Sinead OConnor' and same.name <> other.name"
    )
    assert_built_whole(dbt)
    assert dbt.query(counted) == [(2, 1, 1)]
    # The day of the other one alone.
    assert dbt.query("select count(distinct version) from raw.listen_days") == [(2,)]
    dbt.query("delete from corrections.same_items")
    dbt(*BUILD)
    assert dbt.contents() == before


def told(rng: random.Random, midnight: int) -> dict[str, list[dict[str, object]]]:
    """What three sources tell of plays in the hours around a midnight: late, early, in part, by their own names."""
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in SOURCES}
    for user in ("u", "v", "w", "x"):
        time = midnight - rng.randrange(600, 3_000)
        while time < midnight + 3_000:
            song = rng.randrange(4)
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                length = rng.choice((20, 150, 210))
                ids = {
                    "track_id": f"id{song}{rng.choice(('', 'b'))}",
                    "recording_mbid": f"{song:08}-0000-0000-0000-{0:012}",
                }
                for name in SOURCES:
                    if rng.random() < 0.8:
                        skew = rng.choice((0, 0, 4, 54, -time % 60 - 60, length if name == "lastfm" else 0))
                        ms = {"ms": 1000 * length} if name == "spotify" else {}
                        own = {key: ids[key] for key in ids if key in SOURCES[name].mapping.columns}
                        title = rng.choice((f"Song {song}", f"SONG {song} ", f"Song\u200b {song} (feat. Guest)"))
                        rows[name].append(row(time + skew, title, rng.choice(("Band", "band")), user, **ms, **own))
                time += length
            time += rng.choice((5, 100, 700))
        # Begun before midnight as some tell, and after it as others do.
        for name in rng.sample(sorted(SOURCES), rng.choice((1, 2, 3))):
            own = {key: "" for key in ("track_id", "recording_mbid") if key in SOURCES[name].mapping.columns}
            rows[name].append(row(midnight + rng.choice((-40, -10, 0, 14)), "Midnight", user=user, **own))
    return rows


@pytest.mark.slow
def test_files_in_any_order_and_undone_ones_give_what_a_full_build_gives(warehouse_url: str, tmp_path: Path) -> None:
    dbt = Dbt(warehouse_url)
    rng = random.Random(15)
    midnights = [int(datetime(2026, 1, day, tzinfo=UTC).timestamp()) for day in range(2, 8)]
    files = [(name, rows) for midnight in midnights for name, rows in told(rng, midnight).items()]
    rng.shuffle(files)
    loads = []
    for number, (name, rows) in enumerate(files, 1):
        loads.append(load(dbt, tmp_path, name, rows))
        if number % 3 == 0:
            dbt(*BUILD)
    assert_built_whole(dbt)
    for undone in (loads[0], loads[7]):
        with create_engine(warehouse_url, Role.LOADER).begin() as connection:
            undo_load(connection, undone)
    assert_built_whole(dbt)
    assert dbt.query("select count(*) > 100 from core.fct_duplicate_listens") == [(True,)]
    assert dbt.query("select count(*) > 20 from core.fct_uncounted_listens") == [(True,)]
    assert dbt.query(
        "select count(*) > 2 from core.fct_duplicate_listens"
        " where listened_on > (kept_listened_at at time zone 'UTC')::date"
    ) == [(True,)]
