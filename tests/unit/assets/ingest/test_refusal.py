"""When a whole file is refused, and what the message suggests."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from assets.ingest.files import InputFile, Stored
from assets.ingest.records import ParseRules, TimeRule
from assets.ingest.refusal import Tally, refusal, units_that_fit
from tests.input_files import input_file

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FILE = InputFile("log.csv", "/log.csv", "log.csv", is_named=True, origin=Stored(LocalFileSystem(), "/log.csv"))


def _rules(unit: str) -> ParseRules:
    return ParseRules(source="shop", time=TimeRule((unit,)), times_are_from="shop.toml")


def _tally(rows_read: int, odd_times: tuple[str, ...] = (), fields: str | None = None, **rejected: int) -> Tally:
    listens = rows_read - sum(rejected.values())
    return Tally(rows_read, listens, Counter(rejected), odd_times=list(odd_times), first_reject=(3, fields))


@pytest.mark.parametrize(
    ("text", "unit"),
    [("1421163674", "s"), ("1421163674.25", "s"), ("1421163674000", "ms"), ("1421163674000000", "us"),
     ("1421163674000000000", "ns"), ("2015-01-13T15:41:14Z", "iso8601"), ("2015-01-13 15:41", "iso8601")],
)  # fmt: skip
def test_the_unit_of_a_time_shows_in_its_size(text: str, unit: str) -> None:
    assert units_that_fit([text], NOW) == [unit]


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-5", "13/01/2015 15:41", "9" * 400])
def test_what_fits_no_unit_suggests_none(text: str) -> None:
    assert units_that_fit([text], NOW) == []
    assert units_that_fit(["1421163674", text], NOW) == []


def test_a_file_is_refused_when_most_of_at_least_ten_times_are_odd() -> None:
    rules = _rules("s")
    assert refusal(FILE, _tally(19, in_the_future=10), rules, NOW) is not None
    assert refusal(FILE, _tally(20, in_the_future=10), rules, NOW) is None
    assert refusal(FILE, _tally(10, in_the_future=9), rules, NOW) is None
    assert refusal(FILE, _tally(13, in_the_future=4, before_2000=3, bad_timestamp=3), rules, NOW) is not None
    assert refusal(FILE, _tally(19, empty_user=18), rules, NOW) is None


def test_a_file_with_nothing_to_load_is_refused_however_small() -> None:
    assert refusal(FILE, _tally(1, ("1421163674000",), in_the_future=1), _rules("s"), NOW) == (
        "log.csv: 1 of its 1 times are refused, as in the future when read as s (the first is '1421163674000'); "
        'they look like ms: set unit = "ms" under [time] in shop.toml; nothing of it was loaded'
    )
    assert refusal(FILE, _tally(2, wrong_column_count=2), _rules("s"), NOW) == (
        "log.csv: none of its 2 rows can be loaded; 2 are refused as wrong_column_count, the first is line 3; "
        "check that the file is of this format"
    )
    assert refusal(FILE, _tally(2, fields='{"user_id":""}', empty_user=2), _rules("s"), NOW) == (
        "log.csv: none of its 2 rows can be loaded; 2 are refused as empty_user, the first is line 3 with "
        """'{"user_id":""}'; check that the file is of this format"""
    )


def test_a_file_without_rows_is_none_to_refuse() -> None:
    assert refusal(FILE, _tally(0), _rules("s"), NOW) is None


def test_times_that_fit_no_unit_point_to_the_mapping() -> None:
    message = refusal(FILE, _tally(3, ("13/01/2015",), bad_timestamp=3), _rules("iso8601"), NOW)
    assert message is not None
    assert "as not times when read as iso8601 (the first is '13/01/2015'); correct [time] in shop.toml" in message


def test_a_format_without_mapping_says_how_it_writes_times() -> None:
    rules = ParseRules(source="lastfm-1k", time=TimeRule(("iso8601",)))
    message = refusal(FILE, _tally(3, ("1421163674",), bad_timestamp=3), rules, NOW)
    assert message is not None
    assert "this format writes them like 2009-05-04T23:08:57Z" in message


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"\xc4rzte", 'it may be cp1252: set encoding = "cp1252" in shop.toml, or convert the file to UTF-8'),
        (b"\x81\x40", "name its encoding in shop.toml as `encoding`, or convert the file to UTF-8"),
    ],
)
def test_a_file_that_is_mostly_not_utf_8_is_refused_with_the_key_for_its_encoding(
    tmp_path: Path, content: bytes, advice: str
) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    file = input_file(tmp_path / "log.csv")
    assert refusal(file, _tally(3, invalid_utf8=2), _rules("s"), NOW) == (
        f"{file}: 2 of its 3 rows are not UTF-8; {advice}; nothing of it was loaded"
    )
    assert refusal(file, _tally(4, invalid_utf8=2), _rules("s"), NOW) is None
