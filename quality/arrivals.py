"""Has a day arrived whole? Its listens against those of the weeks before it.

Three figures, each against what it was on the days before the one that is judged:

- listens, over the median of the seven days before, by the day of the week;
- listens of a listener, likewise: on a quiet holiday fewer people listen, where rows are missing each listens to less;
- the longest stretch of hours in which nobody listened, by how many listeners it has on a usual day: of a file that was
  cut the end of the day is missing, where times are shifted by some hours its beginning or its end.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

Floats = npt.NDArray[np.float64]

# Of a day of the week, eight: enough for a median, and a habit of last summer says nothing.
LEARNED_DAYS = 56
_USUAL_DAYS = 7
_HOURS_LEARNED_DAYS = 28
# The days before the first one that is learned from: what its own hours are compared with.
READ_DAYS = LEARNED_DAYS + _HOURS_LEARNED_DAYS
# With fewer, a day is what a few people happened to do.
LEAST_LISTENS = 50
# Standard deviations, by the median of the distances from the median. Of 60 days of two worlds none was further off.
_BAND_DEVIATIONS = 5.0
_DEVIATION_OF_MEDIAN_DISTANCE = 1.4826
# However steady the days before were, two thirds or three halves of what is usual may be a quiet or a busy day.
_LEAST_BAND = float(np.log(1.5))
# A stretch that has fewer listeners on a usual day may be empty by chance: of five, once in 150 days. Nor is one odd
# that is little longer than the longest of the days before.
_LEAST_GAP = 5.0
_TIMES_LARGEST_GAP = 1.6


@dataclass(frozen=True)
class Days:
    """Consecutive days, the last of them the one that is judged. listens, listeners: float64[days].
    listeners_by_hour: float64[days, 24], UTC.
    """

    last: date
    listens: Floats
    listeners: Floats
    listeners_by_hour: Floats


@dataclass(frozen=True)
class Arrival:
    """A figure of the day that was judged, and between what it was expected; above `high` or below `low` it is odd."""

    figure: str
    value: float
    low: float
    high: float

    @property
    def odd(self) -> bool:
        return not self.low <= self.value <= self.high


def read_days(connection: Connection, day: date) -> Days:
    """The day and the READ_DAYS before it, of core.fct_listens."""
    first = day - timedelta(days=READ_DAYS)
    listens, listeners, by_hour = np.zeros(READ_DAYS + 1), np.zeros(READ_DAYS + 1), np.zeros((READ_DAYS + 1, 24))
    for row in connection.execute(_DAYS, {"first": first, "last": day}):
        place = (row.listened_on - first).days
        if row.hour is None:
            listens[place], listeners[place] = row.listens, row.listeners
        else:
            by_hour[place, row.hour] = row.listeners
    return Days(day, listens, listeners, by_hour)


def judge_day(days: Days) -> list[Arrival]:
    """The figures of the last day; none where the days before it are too few, or had too few listens, to tell."""
    began_before = days.listens[:_USUAL_DAYS].any()
    if np.median(days.listens[-1 - LEARNED_DAYS : -1]) < LEAST_LISTENS or not began_before:
        return []
    of_a_listener = days.listens / np.maximum(days.listeners, 1)
    gaps = np.array([_gap(days.listeners_by_hour[: place + 1]) for place in range(_HOURS_LEARNED_DAYS, READ_DAYS + 1)])
    arrivals = [_against_usual("listens", days.listens)]
    # Of a day without a listener there is nothing else to say.
    if days.listeners[-1]:
        arrivals.append(_against_usual("listens of a listener", of_a_listener))
        most = max(_LEAST_GAP, _TIMES_LARGEST_GAP * float(gaps[:-1].max()))
        arrivals.append(Arrival("usual listeners of the hours in a row without any", float(gaps[-1]), 0.0, most))
    return arrivals


def _against_usual(figure: str, values: Floats) -> Arrival:
    """The last value against the median of the week before it, as the same day of other weeks was against theirs."""
    usual = np.array([np.median(values[place - _USUAL_DAYS : place]) for place in range(_USUAL_DAYS, len(values))])
    # 1 more on both sides, so that a day without listens has a logarithm.
    ratios = np.log((values[_USUAL_DAYS:] + 1) / (usual + 1))[-1 - LEARNED_DAYS :]
    by_weekday = np.array([np.median(ratios[weekday:-1:_USUAL_DAYS]) for weekday in range(_USUAL_DAYS)])
    distances = np.abs(ratios[:-1] - np.resize(by_weekday, LEARNED_DAYS))
    band = max(_LEAST_BAND, _BAND_DEVIATIONS * _DEVIATION_OF_MEDIAN_DISTANCE * float(np.median(distances)))
    # LEARNED_DAYS are whole weeks, so the day judged is of the weekday of the first one.
    middle = float(np.log(usual[-1] + 1) + by_weekday[0])
    return Arrival(figure, float(values[-1]), float(np.exp(middle - band) - 1), float(np.exp(middle + band) - 1))


def _gap(listeners_by_hour: Floats) -> float:
    """How many listeners the last day's longest empty stretch of hours has on a usual day."""
    usual = listeners_by_hour[-1 - _HOURS_LEARNED_DAYS : -1].mean(axis=0)
    longest = stretch = 0.0
    for listeners, expected in zip(listeners_by_hour[-1], usual, strict=True):
        stretch = 0.0 if listeners else stretch + float(expected)
        longest = max(longest, stretch)
    return longest


_DAYS = text(
    "select listened_on, extract(hour from listened_at at time zone 'UTC')::int as hour, count(*) as listens,"
    " count(distinct user_key) as listeners from core.fct_listens where listened_on between :first and :last"
    " group by grouping sets ((listened_on), (listened_on, extract(hour from listened_at at time zone 'UTC')::int))"
)
