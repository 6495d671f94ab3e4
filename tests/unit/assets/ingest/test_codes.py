"""MBIDs and ISRCs: one spelling, and what is none names nothing."""

from assets.ingest.records import ParseRules, TimeRule
from tests.unit.assets.ingest.parsing import ISO, MBID, parse, parse_rows, reasons_of


def test_an_mbid_that_is_none_is_dropped_and_counted_where_something_else_names_the_track() -> None:
    bad = ("unknown", MBID[:-1], MBID.replace("f", "g"))
    parsed = parse_rows(ISO, *({"recording_mbid": text, "artist_mbid": text} for text in bad))
    assert parsed.listens["track_natural_key"].to_pylist() == ["name:portishead\x1froads"] * 3
    assert parsed.listens["artist_natural_key"].to_pylist() == ["name:portishead"] * 3
    assert parsed.listens["recording_mbid"].to_pylist() == parsed.listens["artist_mbid"].to_pylist() == [None] * 3
    assert parsed.nulled == {"recording_mbid": 3, "artist_mbid": 3}
    no_names = {"title": "", "artist_name": ""}
    parsed = parse_rows(ISO, *(no_names | {"recording_mbid": "x", "track_id": track} for track in ("7", "")))
    assert (parsed.listens["track_natural_key"].to_pylist(), reasons_of(parsed)) == (["shop:7"], [(2, "bad_mbid")])
    artists = ParseRules(source="shop", time=TimeRule(()), kind="catalogue", of_tracks=False)
    parsed = parse(artists, artist_mbid=["x", "x", MBID], artist_name=["Air", "", ""])
    assert (parsed.nulled, reasons_of(parsed)) == ({"artist_mbid": 1}, [(2, "bad_mbid")])


def test_codes_of_recordings_are_compared_in_one_spelling_and_dropped_where_they_are_none() -> None:
    codes = ["GBAAA9400001", "gb-aaa-94-00001", "GB AAA 94 00001", "", "GBAAA940000", "nonsense"]
    lengths = ["180000", "0", "", "-1", "1e12", "200.4"]
    parsed = parse_rows(ISO, *({"isrc": code, "duration_ms": ms} for code, ms in zip(codes, lengths, strict=True)))
    assert parsed.listens["isrc"].to_pylist() == ["GBAAA9400001"] * 3 + [None] * 3
    assert parsed.listens["duration_ms"].to_pylist() == [180000, None, None, None, None, 200]
    assert parsed.nulled == {"isrc": 2, "duration_ms": 3}
