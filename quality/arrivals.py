"""Has a day arrived whole? Its listens against those of the weeks before it.

Three figures, each against what it was on the days before the one that is judged:

- listens, over the median of the seven days before, by the day of the week;
- listens of a listener, likewise: on a quiet holiday fewer people listen, where rows are missing each listens to less;
- the longest stretch of hours in which nobody listened, by how many listeners it has on a usual day: of a file that was
  cut the end of the day is missing, where times are shifted by some hours its beginning or its end.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from quality.days import HOURS_LEARNED_DAYS, LEARNED_DAYS, LEAST_LISTENS, LIVE_DAYS, READ_DAYS, Days
from quality.nights import Floats

LISTENS = "listens"
OF_A_LISTENER = "listens of a listener"
SILENCE = "usual listeners of the hours in a row without any"
_USUAL_DAYS = 7
# Standard deviations, by the median of the distances from the median. Of 351 days of four worlds none was further off.
_BAND_DEVIATIONS = 5.0
_DEVIATION_OF_MEDIAN_DISTANCE = 1.4826
# However steady the days before were, two thirds or three halves of what is usual may be a quiet or a busy day.
_LEAST_BAND = float(np.log(1.5))
# A quarter of what is usual is not a quiet day.
_MISSING_BAND = float(np.log(4))
# Where half of the rows are lost, there are fewer listens, and each listener has fewer: both together stop the night,
# the second by as much as alone would be odd. Of 351 healthy days none had both.
_LOST_BAND = 0.3
_LOST_DEVIATIONS = 2.0
# A stretch that has fewer listeners on a usual day may be empty by chance: of five, once in 150 days. Nor is one odd
# that is little longer than that of a day before; but for one of them, which may have been cut itself.
_LEAST_GAP = 5.0
_TIMES_LARGEST_GAP = 1.6
# Of 351 days one had nearly that: some hours of an outage, in a day that was whole apart from them.
_LEAST_BLOCKING_GAP, _TIMES_BLOCKING_GAP = 10.0, 4.0
# Whoever has a holiday may listen to a third of what is usual.
_LOST_ON_HOLIDAY = 2 / 3
# With fewer, a day is what one of them happened to do.
LEAST_LISTENERS = 10
# Of the learned days: where more had no listens, one more without any says nothing.
_MOST_EMPTY_DAYS = 2
# A source with less may be missing, and lists stay much as they are.
_LEAST_SHARE = 0.05
# Days that came when they were the newest: of the last seven, at least these show that days come night by night.
LEAST_LIVE_DAYS = 3


@dataclass(frozen=True)
class Arrival:
    """A figure of the day that was judged, and between what it was expected; above `high` or below `low` it is odd.

    blocks: whether it is so odd, by itself or with the others, that the day cannot be whole.
    """

    figure: str
    value: float
    low: float
    high: float
    blocks: bool = False

    @property
    def odd(self) -> bool:
        return not self.low <= self.value <= self.high


class _Distance(NamedTuple):
    """How far a value is from what is expected, as a logarithm, and the standard deviation of that; and the expected
    value itself as a logarithm, of one more.
    """

    value: float
    deviation: float
    middle: float


def why_not_judged(days: Days) -> str | None:
    """Why nothing can be said of the last day; None where something can."""
    if not days.listens[:_USUAL_DAYS].any():
        return f"its history is shorter than {READ_DAYS} days"
    if days.silent_days > LIVE_DAYS:
        return f"there had been no listen for {days.silent_days} days before it: the listening has ended"
    if np.median(days.listens[-1 - LEARNED_DAYS : -1]) < LEAST_LISTENS:
        return f"with fewer than {LEAST_LISTENS} listens a day, a day is what a few people happened to do"
    return None


def why_not_blocked(days: Days) -> str | None:
    """Why the last day stops nothing, however odd it is; None where it may."""
    if np.median(days.listeners[-1 - LEARNED_DAYS : -1]) < LEAST_LISTENERS:
        return f"fewer than {LEAST_LISTENERS} people listen on a usual day"
    if days.live_days < LEAST_LIVE_DAYS:
        return "the days before it did not come one by one, so it is not known when a day is all there"
    if days.share < _LEAST_SHARE:
        return f"the source has {days.share:.1%} of all listens"
    return None


def judge_day(days: Days, on_holiday: float = 0.0) -> list[Arrival]:
    """The figures of the last day; none where `why_not_judged` says why.

    on_holiday: for which share of the listeners the day is a public holiday, so that fewer listens are expected.
    """
    if why_not_judged(days):
        return []
    of_a_listener = days.listens / np.maximum(days.listeners, 1)
    listens = _distance(days.listens)
    expected = np.log1p(-_LOST_ON_HOLIDAY * on_holiday)
    arrivals = [_arrival(LISTENS, days.listens, listens, expected)]
    empty = np.sum(days.listens[-1 - LEARNED_DAYS : -1] == 0)
    # Of a day without a listener there is nothing else to say.
    if not days.listens[-1]:
        return [replace(arrivals[0], blocks=empty <= _MOST_EMPTY_DAYS)]
    each = _distance(of_a_listener)
    arrivals.append(_arrival(OF_A_LISTENER, of_a_listener, each))
    arrivals.append(_silence(days.listeners_by_hour))
    if listens.value < expected - _band(listens, _BAND_DEVIATIONS, _MISSING_BAND):
        arrivals[0] = replace(arrivals[0], blocks=True)
    least = expected - _band(listens, _LOST_DEVIATIONS, _LOST_BAND), -_band(each, _BAND_DEVIATIONS, _LOST_BAND)
    if listens.value < least[0] and each.value < least[1]:
        arrivals[0] = replace(arrivals[0], low=_value(listens.middle + least[0]), blocks=True)
        arrivals[1] = replace(arrivals[1], low=_value(each.middle + least[1]), blocks=True)
    return arrivals


def _distance(values: Floats) -> _Distance:
    """The last value against the median of the week before it, as the same day of other weeks was against theirs."""
    usual = np.array([np.median(values[place - _USUAL_DAYS : place]) for place in range(_USUAL_DAYS, len(values))])
    # 1 more on both sides, so that a day without listens has a logarithm.
    ratios = np.log((values[_USUAL_DAYS:] + 1) / (usual + 1))[-1 - LEARNED_DAYS :]
    by_weekday = np.array([np.median(ratios[weekday:-1:_USUAL_DAYS]) for weekday in range(_USUAL_DAYS)])
    distances = np.abs(ratios[:-1] - np.resize(by_weekday, LEARNED_DAYS))
    # LEARNED_DAYS are whole weeks, so the day judged is of the weekday of the first one.
    middle = float(by_weekday[0])
    deviation = _DEVIATION_OF_MEDIAN_DISTANCE * float(np.median(distances))
    return _Distance(float(ratios[-1]) - middle, deviation, float(np.log(usual[-1] + 1)) + middle)


def _band(distance: _Distance, deviations: float, least: float) -> float:
    return max(least, deviations * distance.deviation)


def _arrival(figure: str, values: Floats, distance: _Distance, expected: float = 0.0) -> Arrival:
    band = _band(distance, _BAND_DEVIATIONS, _LEAST_BAND)
    low, high = distance.middle + expected - band, distance.middle + band
    return Arrival(figure, float(values[-1]), _value(low), _value(high))


def _value(logarithm: float) -> float:
    """What has this logarithm, of one more."""
    return max(float(np.expm1(logarithm)), 0.0)


def _silence(listeners_by_hour: Floats) -> Arrival:
    gaps = np.array([_gap(listeners_by_hour[: place + 1]) for place in range(HOURS_LEARNED_DAYS, READ_DAYS + 1)])
    longest = float(np.sort(gaps[:-1])[-2])
    value = float(gaps[-1])
    most = max(_LEAST_GAP, _TIMES_LARGEST_GAP * longest)
    return Arrival(SILENCE, value, 0.0, most, value > max(_LEAST_BLOCKING_GAP, _TIMES_BLOCKING_GAP * longest))


def _gap(listeners_by_hour: Floats) -> float:
    """How many listeners the last day's longest empty stretch of hours has on a usual day."""
    usual = listeners_by_hour[-1 - HOURS_LEARNED_DAYS : -1].mean(axis=0)
    longest = stretch = 0.0
    for listeners, expected in zip(listeners_by_hour[-1], usual, strict=True):
        stretch = 0.0 if listeners else stretch + float(expected)
        longest = max(longest, stretch)
    return longest
