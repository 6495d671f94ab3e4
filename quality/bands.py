"""Bounds learned from history: a distance from 0 up, a level around the median of the dates before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

# Fewer dates do not show how a figure varies from weekday to weekday.
LEAST_DATES = 7
# How far back dates are looked for.
LEARNED_DAYS = 200
# Of normally distributed figures, the median of the distances from the median is 1 / 1.4826 standard deviations; five
# of these are passed once in a million nights.
_DEVIATIONS = 5 * 1.4826
# Of nights four weeks, of weekly trainings half a year: what was before that was another catalogue.
MOST_DATES = 28

# Dates and what a figure was, newest first.
Dated = Sequence[tuple[date, float]]


@dataclass(frozen=True)
class Bounds:
    """The least and the most that a figure may be, None where there is no such bound, and of how many dates, from which
    to which, they are learned.
    """

    low: float | None = None
    high: float | None = None
    learned_from: date | None = None
    learned_to: date | None = None
    dates: int = 0

    def hold(self, value: float) -> bool:
        """Whether the value is within; NaN is not."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    @property
    def origin(self) -> str:
        """Where the bounds come from, in words."""
        if self.learned_from is None:
            return f"the floor, as long as fewer than {LEAST_DATES} dates before are known"
        learned = "learned from" if self.dates >= LEAST_DATES else "the floor around the median of"
        return f"{learned} the {self.dates} dates from {self.learned_from} to {self.learned_to}"


def distance_bounds(before: Dated, floor: float) -> Bounds:
    """Of a distance: at most the floor, or five standard deviations above the median of the dates before.

    before: dates and what the figure was, newest first; the first MOST_DATES count, of fewer than LEAST_DATES nothing
    is learned.
    """
    known = before[:MOST_DATES]
    if len(known) < LEAST_DATES:
        return Bounds(high=floor)
    middle, reach = middle_and_reach([value for _, value in known])
    return Bounds(None, max(floor, middle + reach), known[-1][0], known[0][0], len(known))


def level_bounds(before: Dated, floor: float = 0.0, part: float = 0.0, *, below: bool = False) -> Bounds | None:
    """Of a level: the median of the dates before, and five standard deviations from it; None where there is none.

    floor, part: how far from the median in any case, and as a part of it. below: only the least is a bound.
    """
    known = before[:MOST_DATES]
    if not known:
        return None
    middle, deviations = middle_and_reach([value for _, value in known])
    least = max(floor, part * abs(middle))
    reach = max(least, deviations) if len(known) >= LEAST_DATES else least
    high = None if below else middle + reach
    return Bounds(middle - reach, high, known[-1][0], known[0][0], len(known))


def middle_and_reach(values: Sequence[float]) -> tuple[float, float]:
    """The median, and how far from it is five standard deviations, by the median of the distances from it."""
    middle = median(values)
    return middle, _DEVIATIONS * median(abs(value - middle) for value in values)
