"""Files whose rows may each be true, landed in a healthy world: the check stops the night and says why."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dbt_process import Dbt

from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.mapping import read_mapping
from assets.ingest.tabular import Tabular
from quality.checks.accepted import ACCEPT_TAG
from quality.checks.loads import judge, loads_check, said
from quality.failing import first_rows
from quality.load_faults import LoadFigure
from quality.load_verdicts import CHECK_NAME
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role

pytestmark = pytest.mark.slow
NEWEST = date(2026, 3, 31)
HISTORY_DAYS, NIGHTS = 28, 3
USERS, ARTISTS, LISTENS = 40, 60, 300

Row = list[str]
Plant = Callable[[list[Row]], list[Row]]


def rows_of(day: date) -> list[Row]:
    """A day of the Last.fm layout: user, time, artist MBID, artist, track MBID, title; without MBIDs."""
    drawn = np.random.default_rng(day.toordinal())
    artists = np.minimum(drawn.zipf(1.6, LISTENS), ARTISTS)
    seconds = np.sort(drawn.choice(86_400, LISTENS, replace=False))
    # A title tells what its artist is called, and no artist is called so.
    drawn_rows = zip(drawn.integers(0, USERS, LISTENS), seconds, artists, drawn.integers(0, 12, LISTENS), strict=True)
    return [
        [f"user {user}", time_of(day, second), "", f"The Artist {artist}", "", f"Song {track} of {artist}"]
        for user, second, artist, track in drawn_rows
    ]


def time_of(day: date, second: int) -> str:
    return f"{day}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def text_of(rows: list[Row]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def load(warehouse_url: str, folder: Path, name: str, text: str) -> int:
    path = folder / f"{name}.tsv"
    path.write_bytes(text.encode())
    (report,) = load_files(warehouse_url, LastFm1k(), [path])
    return report.file_id


def healthy_world(warehouse_url: str, folder: Path) -> None:
    """Four weeks in one file, three nights in files of their own; that of NEWEST is to come."""
    nights = [NEWEST - timedelta(days=each) for each in range(NIGHTS, 0, -1)]
    history = [nights[0] - timedelta(days=each) for each in range(HISTORY_DAYS, 0, -1)]
    load(warehouse_url, folder, "history", "".join(text_of(rows_of(day)) for day in history))
    for night in nights:
        load(warehouse_url, folder, f"{night}", text_of(rows_of(night)))


def judged(warehouse_url: str, file_id: int) -> list[LoadFigure]:
    with create_engine(warehouse_url, Role.LOADER).connect() as connection:
        figures = judge(connection)
    assert not [each for each in figures if each.odd and each.load.file_id != file_id], said(figures)
    return [each for each in figures if each.load.file_id == file_id]


def healthy(rows: list[Row]) -> list[Row]:
    return rows


def one_more_column(rows: list[Row]) -> list[Row]:
    return [[*row, "x"] if place % 20 else row for place, row in enumerate(rows)]


def one_artist(rows: list[Row]) -> list[Row]:
    return [[*row[:3], "The Artist 7", *row[4:]] for row in rows]


def one_track(rows: list[Row]) -> list[Row]:
    return [[*row[:3], "The Artist 7", "", "Song 1 of 7"] for row in rows]


def swapped_names(rows: list[Row]) -> list[Row]:
    return [[*row[:3], row[5], row[4], row[3]] for row in rows]


def a_bot(rows: list[Row]) -> list[Row]:
    """One account with four times as many listens as everybody, all of one track."""
    seconds = range(0, 4 * LISTENS * 60, 60)
    bot = [["robot", time_of(NEWEST, second), "", "The Artist 7", "", "Song 1 of 7"] for second in seconds]
    return rows + bot


def a_release_day(rows: list[Row]) -> list[Row]:
    """A fifth of all listens are of one new track of a new artist."""
    return [[*row[:3], "Brand New", "", "First Single"] if place % 5 == 0 else row for place, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("plant", "figures", "words"),
    [
        (
            one_more_column,
            {"rejected rows"},
            "285 of its 300 rows are refused, where of most earlier files at most 0.0% were",
        ),
        (one_artist, {"top artist"}, "100% of its listens, by 100% of its listeners, are of one artist"),
        (one_track, {"top artist", "top track"}, "are of one track"),
        (swapped_names, {"unknown tracks and artists"}, "columns may be swapped"),
        (healthy, set(), ""),
        (a_bot, set(), ""),
        (a_release_day, set(), ""),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_file_that_cannot_be_right_stops_the_night(
    warehouse_url: str, tmp_path: Path, plant: Plant, figures: set[str], words: str
) -> None:
    healthy_world(warehouse_url, tmp_path)
    file_id = load(warehouse_url, tmp_path, "planted", text_of(plant(rows_of(NEWEST))))
    found = judged(warehouse_url, file_id)
    assert {each.figure for each in found if each.blocks} == figures, found
    if figures:
        assert f"planted.tsv (file_id {file_id}): " in said(found)
        assert words in said(found)
        assert f"Undo the load: `audotics ingest forget {file_id}`" in said(found)
    else:
        assert not [each for each in found if each.odd]
        assert said(found) == "1 file is as usual"


def test_what_refused_rows_say_is_not_kept_with_the_verdict(warehouse_url: str, tmp_path: Path) -> None:
    healthy_world(warehouse_url, tmp_path)
    rows = rows_of(NEWEST)
    nobody_knows_when = [[row[0], "yesterday", *row[2:]] if not place % 3 else row for place, row in enumerate(rows)]
    file_id = load(warehouse_url, tmp_path, "planted", text_of(nobody_knows_when))
    (odd,) = (each for each in judged(warehouse_url, file_id) if each.blocks)
    with create_engine(warehouse_url, Role.LOADER).connect() as connection:
        shown = first_rows(connection, odd.shown, 24)
    assert set(shown[0]) == {"line", "reason", "names_of_fields"}
    assert "user_id" in shown[0]["names_of_fields"]
    assert not [each for each in shown if "user " in str(each) or "Artist" in str(each)]
    assert nobody_knows_when[0][0] in str(Dbt(warehouse_url).query(odd.rows)[0])


def test_a_file_that_is_cut_in_its_last_title_stops_the_night(warehouse_url: str, tmp_path: Path) -> None:
    healthy_world(warehouse_url, tmp_path)
    whole = text_of(rows_of(NEWEST))
    file_id = load(warehouse_url, tmp_path, "planted", whole[:-6])
    (cut,) = (each for each in judged(warehouse_url, file_id) if each.odd)
    assert (cut.figure, cut.blocks) == ("cut in its last row", True)
    assert "its last line has no line end, which earlier files have" in said([cut])
    behind = Dbt(warehouse_url).query(cut.rows)[0]
    assert behind[0] == LISTENS
    assert whole.splitlines()[-1].endswith(behind[1] + whole[-6:-1])


def test_where_files_never_end_in_a_line_end_none_is_missed(warehouse_url: str, tmp_path: Path) -> None:
    for back in range(4, -1, -1):
        day = NEWEST - timedelta(days=back)
        file_id = load(warehouse_url, tmp_path, f"{day}", text_of(rows_of(day))[:-1])
    assert not [each for each in judged(warehouse_url, file_id) if each.odd]


def test_a_file_of_another_day_under_a_new_name_is_told(warehouse_url: str, tmp_path: Path) -> None:
    healthy_world(warehouse_url, tmp_path)
    again = rows_of(NEWEST - timedelta(days=1))
    file_id = load(warehouse_url, tmp_path, "planted", text_of(again[::-1]))
    (odd,) = (each for each in judged(warehouse_url, file_id) if each.odd)
    assert (odd.figure, odd.blocks) == ("rows that were there", False)
    assert "300 of its 300 rows are in an earlier file" in said([odd])
    assert len(Dbt(warehouse_url).query(odd.rows)) == LISTENS


def test_a_file_without_names_stops_the_night_where_files_have_them(warehouse_url: str, tmp_path: Path) -> None:
    healthy_world(warehouse_url, tmp_path)
    file_id = load(warehouse_url, tmp_path, "planted", text_of(rows_of(NEWEST)))
    Dbt(warehouse_url).query(f"update raw.track_mentions set title = null where file_id = {file_id}")
    (odd,) = (each for each in judged(warehouse_url, file_id) if each.odd)
    assert (odd.figure, odd.blocks) == ("tracks without names", True)
    Dbt(warehouse_url).query("update raw.track_mentions set title = null")
    assert not [each for each in judged(warehouse_url, file_id) if each.odd]


def test_a_file_that_is_small_beside_a_day_is_told_and_stops_nothing(warehouse_url: str, tmp_path: Path) -> None:
    healthy_world(warehouse_url, tmp_path)
    half = [[*row, "x"] if place % 3 else row for place, row in enumerate(rows_of(NEWEST))]
    load(
        warehouse_url,
        tmp_path,
        "others",
        text_of([[*row[:1], *row[1:]] for row in rows_of(NEWEST + timedelta(days=1))]),
    )
    Dbt(warehouse_url).query("update raw.ingest_files set rows_rejected = 0")
    file_id = load(warehouse_url, tmp_path, "planted", text_of(half[:60]))
    Dbt(warehouse_url).query(
        "update raw.ingest_files set rows_rejected = 12, rows_loaded = rows_loaded + rows_rejected - 12"
        f" where file_id = {file_id}"
    )
    (odd,) = (each for each in judged(warehouse_url, file_id) if each.figure == "rejected rows")
    assert (odd.odd, odd.blocks) == (True, False)
    assert "it stops nothing" in said([odd])


def test_in_the_first_weeks_nothing_stops_the_night(warehouse_url: str, tmp_path: Path) -> None:
    for back in range(6, 0, -1):
        day = NEWEST - timedelta(days=back)
        load(warehouse_url, tmp_path, f"{day}", text_of(rows_of(day)))
    file_id = load(warehouse_url, tmp_path, "planted", text_of(one_artist(swapped_names(rows_of(NEWEST)))))
    assert not [each for each in judged(warehouse_url, file_id) if each.blocks]


def night(accepted: str = "") -> AssetCheckEvaluation:
    @dg.asset(key=["raw", "listens"])
    def raw_listens() -> None:
        """They are there."""

    layer = dg.Definitions([raw_listens], asset_checks=[loads_check], resources={"warehouse": PostgresResource()})
    job = layer.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(tags={ACCEPT_TAG: accepted}, raise_on_error=False)
    (evaluation,) = done.get_asset_check_evaluations()
    return evaluation


def test_only_what_a_verdict_before_had_named_is_accepted(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", warehouse_url)
    healthy_world(warehouse_url, tmp_path)
    assert night().passed
    load(warehouse_url, tmp_path, "first", text_of(one_artist(rows_of(NEWEST))))
    # Nobody has seen it when the run is told to accept.
    assert night(CHECK_NAME).severity is dg.AssetCheckSeverity.ERROR
    load(warehouse_url, tmp_path, "second", text_of(one_artist(rows_of(NEWEST + timedelta(days=1)))))
    of_both = night(CHECK_NAME)
    assert of_both.severity is dg.AssetCheckSeverity.ERROR
    assert (of_both.description or "").startswith("1 file stops the night that no verdict before this one named")
    assert "first.tsv" in (of_both.description or "") and "second.tsv" in (of_both.description or "")
    Dbt(warehouse_url).query("update raw.ingest_files set retried_at = clock_timestamp() where path like '%second.tsv'")
    assert night(CHECK_NAME).severity is dg.AssetCheckSeverity.ERROR
    accepted = night(CHECK_NAME)
    assert (accepted.passed, accepted.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (accepted.description or "").startswith("accepted although first.tsv")
    assert night().description == "0 files are as usual"
    # What was accepted is not what is usual.
    load(warehouse_url, tmp_path, "third", text_of(rows_of(NEWEST + timedelta(days=2)))[:-6])
    assert "its last line has no line end" in (night().description or "")


def test_many_small_files_do_not_hide_those_that_a_file_is_compared_with(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The days of this world are small.
    monkeypatch.setattr("quality.loads.LEAST_OF_A_DAY", 0.25)
    healthy_world(warehouse_url, tmp_path)
    dbt = Dbt(warehouse_url)
    dbt.query(
        "insert into raw.ingest_files (file_id, sha256, format, path, bytes, rows_read, rows_loaded, rows_rejected,"
        " rows_duplicate, ends_whole, started_at, finished_at) select 100 + number, 'small ' || number, format, 'x', 1,"
        " 55, 55, 0, 0, false, started_at, finished_at from raw.ingest_files, generate_series(1, 40) as number"
        " where path like '%history.tsv'"
    )
    dbt.query("update raw.ingest_files set finished_at = finished_at - interval '8 days'")
    cut = load(warehouse_url, tmp_path, "planted", text_of(rows_of(NEWEST))[:-6])
    assert {each.figure for each in judged(warehouse_url, cut) if each.blocks} == {"cut in its last row"}


@pytest.mark.parametrize(
    ("text", "ends_whole"),
    [
        ('{"user": "ann", "at": "2026-03-01T10:00:00Z", "artist": "A", "title": "T"}\n', True),
        ('{"user": "ann", "at": "2026-03-01T10:00:00Z", "artist": "A", "title": "T"}', False),
        ('[{"user": "ann", "at": "2026-03-01T10:00:00Z", "artist": "A", "title": "T"}]', None),
    ],
    ids=["lines", "cut lines", "one document"],
)
def test_the_ledger_says_whether_a_file_of_lines_ends_whole(
    warehouse_url: str, tmp_path: Path, text: str, ends_whole: bool | None
) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        'source = "here"\n[columns]\nuser_id = "user"\nlistened_at = "at"\nartist_name = "artist"\ntitle = "title"\n'
        '[time]\nunit = "iso8601"\n'
    )
    path = tmp_path / ("listens.jsonl" if ends_whole is not None else "listens.json")
    path.write_text(text)
    load_files(warehouse_url, Tabular(read_mapping(mapping), str(mapping)), [path])
    assert Dbt(warehouse_url).query("select ends_whole from raw.ingest_files") == [(ends_whole,)]
