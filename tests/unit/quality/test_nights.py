"""By which night a day was there, and how late a source usually is."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from quality.nights import LATEST_NIGHTS, nights, usual_lag

FIRST, DAY = date(2026, 1, 1), date(2026, 1, 5)
NOW = datetime(2026, 1, 6, 3, tzinfo=UTC)
EVERYTHING = datetime.max.replace(tzinfo=UTC)


def test_each_night_comes_as_long_after_its_day_as_this_one_and_the_last_sees_everything() -> None:
    threes = [datetime(2026, 1, 1 + place, 3, tzinfo=UTC) for place in range(1, 5)]
    assert nights(FIRST, DAY, NOW, {}) == [*threes, EVERYTHING]


def test_a_night_that_was_caught_up_on_is_as_late_as_it_was_judged() -> None:
    late = datetime(2026, 1, 4, 12, tzinfo=UTC)
    # An hour's delay says nothing: what was judged then is what is usual.
    judged = {date(2026, 1, 2): late, date(2026, 1, 3): late, date(2026, 1, 4): datetime(2026, 1, 4, 4, tzinfo=UTC)}
    until = nights(FIRST, DAY, NOW, judged)
    assert until[0] == until[1] == datetime(2026, 1, 4, 3, tzinfo=UTC)
    assert until[2] == datetime(2026, 1, 4, 3, tzinfo=UTC)


def test_a_date_that_was_run_again_was_judged_before_the_next_one() -> None:
    until = nights(FIRST, DAY, NOW, {date(2026, 1, 2): NOW - timedelta(hours=1)})
    assert until[0] == until[1] == datetime(2026, 1, 3, 3, tzinfo=UTC)
    assert until == sorted(until)


def arrived(nights_and_days: list[tuple[int, int]], days: int = 40, listens: float = 100.0) -> np.ndarray:
    found = np.zeros((days, days))
    for night, day in nights_and_days:
        found[night, day] = listens
    return found


@pytest.mark.parametrize(
    ("came", "lag"),
    [
        ([(day, day) for day in range(40)], 0),
        ([(day + 1, day) for day in range(39)], 1),
        # On every fourth night two nights late, on the others at once: not often enough to wait for.
        ([(day + (2 if day % 8 == 7 else 0), day) for day in range(38)], 0),
        ([(day + (2 if day % 2 else 0), day) for day in range(38)], 2),
        # Everything at once: only the newest tells something, and one night is not a habit.
        ([(39, day) for day in range(38)], 0),
        ([(day + 20, day) for day in range(20)], LATEST_NIGHTS + 1),
        ([], 0),
    ],
    ids=["at once", "a night later", "sometimes", "every second", "caught up on", "weeks later", "nothing"],
)
def test_how_late_a_source_usually_is(came: list[tuple[int, int]], lag: int) -> None:
    assert usual_lag(arrived(came)) == lag


def test_a_few_listens_of_a_day_that_has_begun_are_not_its_file() -> None:
    came = arrived([(day + 1, day) for day in range(39)])
    assert usual_lag(came + arrived([(day, day) for day in range(40)], listens=3.0)) == 1
