"""Times of several units and types."""

import random
from datetime import date

import pyarrow as pa

from assets.ingest.records import ParseRules, TimeRule
from tests.unit.assets.ingest.parsing import parse, reasons_of, times_of


def test_of_several_numeric_units_a_number_is_in_the_first_that_makes_it_a_possible_time() -> None:
    values = ["1421165674", "1421165674000", "1421165674000000", "5", "1e300", "soon", "14 Jul 2014"]
    expected = ["2015-01-13T16:14:34"] * 3 + ["before_2000", "in_the_future", "bad_timestamp", "2014-07-14T00:00:00"]
    for units in (("s", "ms", "us"), ("us", "s", "ms")):
        rules = ParseRules(source="shop", time=TimeRule((*units, "%d %b %Y")))
        parsed = parse(rules, user_id=["ada"] * 7, track_id=["t"] * 7, listened_at=values)
        found = {row["line"]: row["listened_at"].isoformat() for row in parsed.listens.to_pylist()}
        found |= dict(reasons_of(parsed))
        assert [found[line] for line in range(1, 8)] == [*expected[:4], found[5], *expected[5:]]


def test_days_are_times_and_what_is_of_another_type_is_not() -> None:
    assert times_of("s", pa.array([date(2015, 1, 13)])) == ["2015-01-13T00:00:00"]
    for odd in (pa.array([1], pa.time32("s")), pa.array([1], pa.duration("s")), pa.array([True])):
        assert times_of("s", odd) == ["bad_timestamp"]


def test_z_is_an_offset_of_nothing_whatever_stands_before_it() -> None:
    drawn = random.Random(7)
    texts = [
        f"{drawn.choice((0, 1999, 2009, 2016, 9999)):04d}-{drawn.randint(0, 13):02d}-{drawn.randint(0, 32):02d}T"
        f"{drawn.randint(0, 25):02d}:{drawn.randint(58, 61):02d}:{drawn.randint(58, 61):02d}"
        f"{drawn.choice(('', '.5', '.123456', '.1234567'))}"
        for _ in range(2000)
    ]
    for zone in ("UTC", "Europe/Berlin"):
        found = times_of("iso8601", [f"{text}Z" for text in texts], zone)
        assert found == times_of("iso8601", [f"{text}+00:00" for text in texts], zone)
        assert len(set(found)) > 100
