"""Files that real people have, each read as its report says that it should be."""

from pathlib import Path
from typing import Any

import pytest

from assets.ingest.formats.recognise import recognise
from assets.ingest.listing import Listing
from assets.ingest.mapping import Mapping, read_mapping
from assets.ingest.preview import Preview, preview_files
from assets.ingest.records import Source
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError

pytestmark = pytest.mark.realdata

# What is given, how it is read (a mapping, or the user of a format that is recognised), and by file: listens, the rest.
CASES: dict[str, tuple[str, str, list[tuple[int, dict[str, int]]]]] = {
    "an array of Spotify": ("spotify-json-array/endsong_0.json", "user me", [(5, {"podcast": 1})]),
    "the zip of Spotify": ("spotify-json-array/my_spotify_data.zip", "user me", [(11, {"podcast": 1})]),
    "a folder of ListenBrainz": ("listenbrainz-export/exp", "user me", [(5, {}), (5, {})]),
    "the zip of ListenBrainz": ("listenbrainz-export/lb.zip", "user me", [(5, {}), (5, {})]),
    "quoted fields in a TSV": ("quoted-tsv/q.tsv", "m.toml", [(4, {})]),
    "ids without fractions": ("float-ids-csv/a.csv", "m.toml", [(2, {})]),
    "ids as floats, and nulls": ("float-ids-csv/b.csv", "m.toml", [(2, {"empty_user": 6})]),
    "older files without a column": ("schema-drift/exp/endsong_0.jsonl", "m_optuser.toml", [(4, {})]),
    "times with and without fractions": ("bigquery-times/bq1.jsonl", "m1.toml", [(6, {})]),
    "a line that names the separator": ("cp1252/sep.csv", "m.toml", [(1, {})]),
    "one track in many spellings": ("case-and-spelling/s.csv", "m.toml", [(28, {})]),
    "no header": ("lastfm-to-csv/scrobbles.csv", "m.toml", [(5, {"bad_timestamp": 1})]),
    "a layout without header that is known": ("lastfm-to-csv/scrobbles.csv", "user me", [(5, {"now_playing": 1})]),
    "quotation marks in titles": ("lastfm-ghan/recenttracks.csv", "m.toml", [(3, {})]),
    "dates that are broken": (
        "broken-date-rows/s.csv",
        "m.toml",
        [(9, {"bad_timestamp": 2, "wrong_column_count": 1})],
    ),
    "a clock of twelve hours": ("twelve-hour/s.csv", "m.toml", [(7, {})]),
    "NUL bytes": ("nul/s.jsonl", "m.toml", [(4, {"malformed_json": 3, "nul_byte": 1})]),
    "a listen of long ago": ("long-history-gate/old.csv", "m.toml", [(1, {})]),
}


def _read(source: Source, path: Path | Listing) -> tuple[list[Preview], list[str]]:
    refused: list[AudoticsError] = []
    previews = preview_files(source, [path], refused)
    for each in previews:
        assert each.rows_read == each.listens + each.rows_rejected + each.rows_left_out
    return previews, [str(error) for error in refused]


def _mapped(path: Path, **changed: Any) -> Source:
    return Tabular(Mapping.model_validate(read_mapping(path).model_dump(exclude_unset=True) | changed), path.name)


def _first(previews: list[Preview], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for each in previews for row in each.first_listens]


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_read_as_its_report_asks(shared_cases: Path, case: str) -> None:
    given, how, expected = CASES[case]
    path = shared_cases / given
    if how.startswith("user "):
        source = recognise(str(path), None, how.removeprefix("user ")).source
    else:
        source = _mapped(shared_cases / given.partition("/")[0] / how)
    previews, refused = _read(source, path)
    assert not refused
    assert [(each.listens, each.reasons) for each in previews] == expected


def test_every_case_has_a_test(shared_cases: Path) -> None:
    # What is made of them is a matter of models and runs: tests of plays, of one person, of twenty years.
    elsewhere = {"skewed-duplicates"}
    here = {given.partition("/")[0] for given, *_ in CASES.values()} | {"rockbox-log", "landing"}
    assert {path.name for path in shared_cases.iterdir() if path.is_dir()} == here | elsewhere


def test_names_come_out_of_quotes_as_they_were_meant(shared_cases: Path) -> None:
    folder = shared_cases / "quoted-tsv"
    titles = _first(_read(_mapped(folder / "m.toml"), folder / "q.tsv")[0], "title")
    assert titles[:3] == [('"Alternate 1985"',), ('Say "Hi"',), ("Plain",)]


def test_a_float_that_is_whole_is_the_same_user(shared_cases: Path) -> None:
    folder = shared_cases / "float-ids-csv"
    users = [set(_first(_read(_mapped(folder / "m.toml"), folder / name)[0], "user_id")) for name in ("a.csv", "b.csv")]
    assert users == [{("123",), ("124",)}] * 2


def test_another_encoding_is_named_and_then_read_whole(shared_cases: Path) -> None:
    path, mapping = shared_cases / "cp1252" / "s.csv", shared_cases / "cp1252" / "m.toml"
    (refusal,) = _read(_mapped(mapping), path)[1]
    assert '2 of its 3 rows are not UTF-8; it may be cp1252: set encoding = "cp1252"' in refusal
    (preview,), refused = _read(_mapped(mapping, encoding="cp1252"), path)
    assert (preview.listens, preview.reasons, refused) == (3, {}, [])


def test_times_of_two_spellings_may_be_tried_in_order(shared_cases: Path) -> None:
    folder = shared_cases / "bigquery-times"
    units = [read_mapping(folder / name).time.unit for name in ("m2.toml", "m3.toml")]
    time = {"unit": [unit for each in units for unit in ([each] if isinstance(each, str) else each)]}
    (preview,), refused = _read(_mapped(folder / "m1.toml", time=time), folder / "bq1.jsonl")
    assert (preview.listens, preview.reasons, refused) == (6, {}, [])


def test_a_column_may_have_had_other_names_and_the_odd_file_holds_up_no_other(shared_cases: Path) -> None:
    folder = shared_cases / "schema-drift"
    previews, refused = _read(_mapped(folder / "m_csv.toml"), folder / "csv")
    assert ([each.listens for each in previews], len(refused)) == ([1, 1], 1)
    columns = {"artist_name": ["Artist", "artist"], "title": ["Track", "track"], "listened_at": ["Time", "time"]}
    previews, refused = _read(_mapped(folder / "m_csv.toml", columns=columns), folder / "csv")
    assert ([each.listens for each in previews], refused) == ([1, 1, 1], [])


def test_the_log_of_a_player_needs_a_zone_and_tells_what_was_skipped(shared_cases: Path) -> None:
    folder = shared_cases / "rockbox-log"
    with pytest.raises(AudoticsError, match="does not say in which zone its clock was; say it with --zone"):
        recognise(str(folder), None, "me")
    for given in (folder, folder / ".scrobbler.log"):
        recognised = recognise(str(given), None, "me", zone="America/New_York")
        previews, refused = _read(recognised.source, recognised.listing)
        assert _first(previews, "title", "skipped") == [("Heard", False), ("Skipped one", True)]
        assert f"{previews[0].first_listens[0]['listened_at']:%F %T}" == "2020-06-28 00:00:00"
        assert ([each.reasons for each in previews], refused) == ([{"wrong_column_count": 2}], [])


def test_a_file_of_a_header_alone_has_no_rows_and_is_not_refused(shared_cases: Path) -> None:
    folder = shared_cases / "landing" / "landing" / "tabular" / "daily"
    previews, refused = _read(_mapped(folder / "mapping.toml"), folder)
    assert ([(each.rows_read, each.listens) for each in previews], refused) == ([(1, 1), (0, 0)], [])
