"""From fields to listens: times, reasons and their order, keys, durations."""

import json
from datetime import datetime

import pyarrow as pa
import pytest

from assets.ingest.parse import Parser
from assets.ingest.records import ParseRules, TimeRule
from tests.unit.assets.ingest.parsing import (
    GOOD,
    ISO,
    MBID,
    NAMES_REQUIRED,
    NOW,
    parse,
    parse_rows,
    reasons_of,
    times_of,
)
from warehouse.errors import AudoticsError


def test_numbers_are_times_in_each_unit_down_to_the_microsecond() -> None:
    expected = ["2015-01-13T16:14:34", "2015-01-13T16:14:34.500000"]
    assert times_of("s", ["1421165674", "1421165674.5"]) == expected
    assert times_of("ms", [1421165674000, 1421165674500]) == expected
    assert times_of("us", ["1421165674000000", " +1421165674500000 "]) == expected
    assert times_of("ns", [1421165674000000999, 1421165674500000000]) == expected
    assert times_of("s", [1421165674.0, 1421165674.5]) == expected
    assert times_of("ms", ["1.421165674e12", "1421165674500.0"]) == expected


def test_what_is_not_a_number_is_not_a_time_and_numbers_far_away_do_not_overflow() -> None:
    texts = ["", "soon", "NaN", "inf", "0x10", "1_0", "12:30", "9" * 25, "1e400", "9223372036854775807", "-5"]
    assert times_of("s", texts) == ["bad_timestamp"] * 8 + ["bad_timestamp", "in_the_future", "before_2000"]
    assert times_of("ns", ["9223372036854775807", "-9223372036854775808"]) == ["in_the_future", "before_2000"]
    assert times_of("s", pa.array([float("nan"), float("inf"), None, 1e300])) == ["bad_timestamp"] * 3 + [
        "in_the_future"
    ]
    assert times_of("s", pa.array([2**64 - 1, 5], pa.uint64())) == ["bad_timestamp", "before_2000"]


def test_the_bounds_are_the_year_2000_and_a_day_from_now() -> None:
    values = ["946684799", "946684800", "1795435200", "1795435201"]
    assert times_of("s", values) == ["before_2000", "2000-01-01T00:00:00", "2026-11-23T12:00:00", "in_the_future"]


def test_iso_8601_times_with_an_offset_ignore_the_zone_and_those_without_take_it() -> None:
    values = [
        "2009-05-04T23:08:57Z",
        "2009-05-04 23:08:57.25",
        "2009-05-04T23:08+05:30",
        "2009-01-04T23:08:57",
        "2009-05-04T23:08:57-0330",
    ]
    assert times_of("iso8601", values, "Europe/Berlin") == [
        "2009-05-04T23:08:57",
        "2009-05-04T21:08:57.250000",
        "2009-05-04T17:38:00",
        "2009-01-04T22:08:57",
        "2009-05-05T02:38:57",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "2009-02-30T10:00:00Z",
        "2009-13-01T10:00:00Z",
        "2009-05-04",
        "2009-05-04T25:00:00Z",
        "infinity",
        "epoch",
        "04/05/2009 23:08",
        "20090504",
    ],
)
def test_what_is_not_an_iso_8601_time_is_refused(text: str) -> None:
    assert times_of("iso8601", [text]) == ["bad_timestamp"]


def test_a_strptime_format_is_read_in_its_zone_unless_it_has_an_offset() -> None:
    assert times_of("%d %b %Y, %H:%M", ["14 Jul 2014, 23:08", "2014-07-14"], "America/New_York") == [
        "2014-07-15T03:08:00",
        "bad_timestamp",
    ]
    assert times_of("%d/%m/%Y %H:%M %z", ["04/05/2009 23:08 +0200"], "America/New_York") == ["2009-05-04T21:08:00"]


def test_a_column_of_timestamps_carries_its_own_unit() -> None:
    moment = datetime(2014, 7, 14, 23, 8)
    for unit in "s", "ms", "us", "ns":
        assert times_of("iso8601", pa.array([moment], pa.timestamp(unit)), "Europe/Berlin") == ["2014-07-14T21:08:00"]
        assert times_of("iso8601", pa.array([moment], pa.timestamp(unit, "UTC")), "Europe/Berlin") == [
            "2014-07-14T23:08:00"
        ]


def test_unknown_zones_and_formats_are_refused_with_the_place_to_correct_them() -> None:
    for rule, message in (
        (TimeRule(("s",), zone="Europe/Nowhere"), r"shop\.toml: time\.zone 'Europe/Nowhere' is not an IANA zone"),
        (TimeRule(("%Q",)), r"shop\.toml: time\.unit '%Q' is not a strptime format"),
    ):
        with pytest.raises(AudoticsError, match=message):
            Parser(ParseRules(source="shop", time=rule, times_are_from="shop.toml"), NOW)


def test_from_the_end_of_playback_the_time_played_is_subtracted_where_it_is_known() -> None:
    rules = ParseRules(source="shop", time=TimeRule(("s",), event="end"), played_unit="s")
    parsed = parse(
        rules,
        user_id=["ada"] * 3,
        track_id=["t"] * 3,
        listened_at=["1421165674", "1421165674", "946684801"],
        ms_played=["100", "", "2"],
    )
    assert [row["listened_at"].isoformat() for row in parsed.listens.to_pylist()] == [
        "2015-01-13T16:12:54",
        "2015-01-13T16:14:34",
    ]
    assert reasons_of(parsed) == [(3, "before_2000")]


def test_impossible_durations_and_flags_become_null_and_are_counted() -> None:
    texts = ["0", "86400000", "86400001", "-1", "", None, "soon", "nan", "1500.4"]
    flags = ["true", "0", "maybe", "", None, "FALSE", "1", "no", "2"]
    parsed = parse(
        ISO,
        user_id=["ada"] * 9,
        track_id=["t"] * 9,
        listened_at=[GOOD["listened_at"]] * 9,
        ms_played=texts,
        skipped=flags,
    )
    assert parsed.listens["ms_played"].to_pylist() == [0, 86400000, None, None, None, None, None, None, 1500]
    assert parsed.listens["skipped"].to_pylist() == [True, False, None, None, None, False, True, False, None]
    assert parsed.nulled == {"ms_played": 4, "skipped": 2}


def test_a_rejected_row_does_not_count_as_nulled() -> None:
    parsed = parse_rows(ISO, {"user_id": "", "ms_played": "-1"}, {"ms_played": "-1"})
    assert parsed.nulled == {"ms_played": 1}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user_id": ""}, "empty_user"),
        ({"user_id": " \u00a0\t"}, "empty_user"),
        ({"user_id": None}, "empty_user"),
        ({"listened_at": ""}, "bad_timestamp"),
        ({"listened_at": "1970-01-01T00:00:00Z"}, "before_2000"),
        ({"listened_at": "2026-11-23T12:00:01Z"}, "in_the_future"),
        ({"artist_name": "  "}, "empty_artist_name"),
        ({"title": "\u3000"}, "empty_track_name"),
        ({"title": "x" * 1001}, "too_long"),
        ({"artist_name": "x" * 1001}, "too_long"),
        ({"user_id": "x" * 1001}, "too_long"),
        ({"user_id": "𝄞" * 700}, "too_long"),
        ({"title": "語" * 1000, "artist_name": "語"}, "too_long"),
        ({"title": "a\0b"}, "nul_byte"),
    ],
)
def test_each_fault_has_its_reason_and_spoils_no_other_row(change: dict[str, str | None], reason: str) -> None:
    parsed = parse_rows(NAMES_REQUIRED, {}, change, {})
    assert reasons_of(parsed) == [(2, reason)]
    assert parsed.listens["line"].to_pylist() == [1, 3]


@pytest.mark.parametrize(
    "change", [{"title": "x" * 1000}, {"title": "語" * 1000, "recording_mbid": MBID}, {"recording_mbid": ""}]
)
def test_what_is_long_but_fits_is_kept(change: dict[str, str]) -> None:
    assert reasons_of(parse_rows(NAMES_REQUIRED, change)) == []


def test_of_several_faults_the_first_in_order_counts() -> None:
    faults = [
        ("nul_byte", {"artist_id": "\0"}),
        ("empty_user", {"user_id": ""}),
        ("in_the_future", {"listened_at": "2126-01-01T00:00:00Z"}),
        ("empty_artist_name", {"artist_name": ""}),
        ("empty_track_name", {"title": ""}),
        ("too_long", {"artist_mbid": "x", "artist_id": "x" * 1001}),
    ]
    for start in range(len(faults)):
        changes: dict[str, str | None] = {}
        for _, change in reversed(faults[start:]):
            changes |= change
        assert reasons_of(parse_rows(NAMES_REQUIRED, changes)) == [(1, faults[start][0])]


def test_names_are_needed_only_where_there_is_no_id() -> None:
    no_names = {"title": "", "artist_name": ""}
    rows = [
        no_names | {"track_id": "7"},
        no_names | {"recording_mbid": MBID},
        no_names,
        {"artist_name": ""},
        {"title": ""},
    ]
    parsed = parse_rows(ISO, *rows)
    assert reasons_of(parsed) == [(3, "empty_artist_name"), (4, "empty_artist_name"), (5, "empty_track_name")]
    without_names = parse(ISO, user_id=["ada"], listened_at=[GOOD["listened_at"]], track_id=[""])
    assert reasons_of(without_names) == [(1, "empty_track_name")]


def test_natural_keys_prefer_mbid_then_source_id_then_normalised_names() -> None:
    parsed = parse_rows(
        ISO,
        {"recording_mbid": MBID, "artist_mbid": MBID, "track_id": "7", "artist_id": "8"},
        {"track_id": " 7 ", "artist_id": "8"},
        {"title": " ROADS\u00a0 (Live) ", "artist_name": "Sigur  RÓS"},
        {"title": "Roads (live)", "artist_name": "sigur ro\u0301s"},
    )
    keys = [(row["track_natural_key"], row["artist_natural_key"]) for row in parsed.listens.to_pylist()]
    assert keys == [
        (f"mbid:{MBID.lower()}", f"mbid:{MBID.lower()}"),
        ("shop:7", "shop:8"),
        ("name:sigur rós\x1froads (live)", "name:sigur rós"),
        ("name:sigur rós\x1froads (live)", "name:sigur rós"),
    ]
    assert parsed.listens["title"].to_pylist()[2] == "ROADS\u00a0 (Live)"
    assert parsed.listens["recording_mbid"].to_pylist()[0] == MBID.lower()


def test_ids_that_are_numbers_become_their_digits() -> None:
    times = [GOOD["listened_at"]] * 3
    parsed = parse(ISO, user_id=[10, 200, 3000], listened_at=times, track_id=pa.array([7.0, 10.0, None]))
    assert parsed.listens["user_id"].to_pylist() == ["10", "200"]
    assert parsed.listens["track_natural_key"].to_pylist() == ["shop:7", "shop:10"]
    assert reasons_of(parsed) == [(3, "empty_track_name")]


def test_constants_fill_their_field_in_every_row_quotes_and_all() -> None:
    rules = ParseRules(source="shop", time=TimeRule(("iso8601",)), constants={"user_id": "o'brien"})
    parsed = parse(rules, listened_at=[GOOD["listened_at"]] * 2, track_id=["a", "b"])
    assert parsed.listens["user_id"].to_pylist() == ["o'brien"] * 2


def test_of_a_rejected_row_the_text_of_each_mapped_field_is_kept_nulls_and_what_holds_others_apart() -> None:
    parsed = parse(
        ISO,
        user_id=["", "x" * 100_000],
        listened_at=[" soon", None],
        track_id=["a\0'b", 'say "x"'],
        title=pa.array([7, None], pa.int64()),
        artist_name=[{"name": "X", "ip": "203.0.113.7"}, None],
    )
    assert [json.loads(fields) for fields in parsed.rejects["fields"].to_pylist()] == [
        {"user_id": "", "listened_at": " soon", "track_id": "a\\x00'b", "title": "7"},
        {"user_id": "x" * 1000, "track_id": 'say "x"'},
    ]
