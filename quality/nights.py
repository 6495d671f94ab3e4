"""When what a day brought was there: by which night, and whether it came night by night or all at once.

A night is the run that judges a day. What came after it cannot have been judged by it, so a day is compared with what
the nights before saw of theirs.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# What comes later is a file of the past, and no night waits for it.
LATEST_NIGHTS = 7
# A source that has come late on one of four nights is not missed on the next.
_USUALLY = 0.75
_LEARNED_NIGHTS = 28
# Two nights may both have been late by chance.
_LEAST_NIGHTS = 3
# Of a usual day: a few listens of a new day, by a clock that is fast, are not its file.
_LEAST_OF_A_DAY = 0.1


def nights(first: date, day: date, now: datetime, judged_at: Mapping[date, datetime]) -> list[datetime]:
    """Until when what came was seen by the night of each day from `first` to `day`, in order; by the last, everything.

    A night comes as long after its day as the one that is now, unless it is on record that it was judged a day later
    than that or more: nights that were caught up on, one after the other.

    judged_at: when the day of a run's date was last judged, by the date, which is the day's next.
    """
    age = now - end_of(day)
    until = []
    for place in range((day - first).days + 1):
        usual = end_of(first + timedelta(place)) + age
        judged = judged_at.get(first + timedelta(place + 1), usual)
        until.append(judged if judged > usual + timedelta(days=1) else usual)
    # A date that was run again was judged before the next one all the same.
    for place in range(len(until) - 2, -1, -1):
        until[place] = min(until[place], until[place + 1])
    return [*until[:-1], datetime.max.replace(tzinfo=UTC)]


def end_of(day: date) -> datetime:
    """The midnight, UTC, that ends the day."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def usual_lag(arrived: Floats) -> int:
    """How many nights after its own the newest day of a source usually comes; LATEST_NIGHTS + 1 for any later.

    arrived: float64[nights, days], listens that came night by night, by the night that saw them first; as many nights
        as days. A night that saw several days at once tells of the newest of them alone.
    """
    usual = np.median(by_day[by_day > 0]) if (by_day := arrived.sum(axis=0)).any() else 0.0
    lags = []
    for night in range(max(len(arrived) - _LEARNED_NIGHTS, 0), len(arrived)):
        days = np.flatnonzero(arrived[night] > _LEAST_OF_A_DAY * usual)
        if len(days):
            lags.append(max(night - int(days[-1]), 0))
    if len(lags) < _LEAST_NIGHTS:
        return 0
    return min(int(np.quantile(lags, _USUALLY, method="higher")), LATEST_NIGHTS + 1)
