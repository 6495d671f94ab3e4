"""Bands learned from history: how far a figure may be from what it was on the dates before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from quality.observations import Past

# Fewer dates do not show how a figure varies from weekday to weekday.
LEAST_DATES = 7
# What was four weeks ago was another catalogue.
LEARNED_DAYS = 28
# Of normally distributed figures, the median of the distances from the median is 1 / 1.4826 standard deviations; five
# of these are passed once in a million nights.
_DEVIATIONS = 5 * 1.4826


@dataclass(frozen=True)
class Band:
    """Between what a figure was expected, and the days that this was learned from."""

    low: float
    high: float
    learned_from: date
    learned_to: date


def band(past: Sequence[Past], floor: float) -> Band | None:
    """The band of one figure; None where it is known of fewer than LEAST_DATES dates.

    floor: the part of the median that the figure may be off by, however steady it was.
    """
    if len(past) < LEAST_DATES:
        return None
    middle, reach = middle_and_reach([each.value for each in past])
    width = max(floor * abs(middle), reach)
    dates = [each.as_of for each in past]
    return Band(middle - width, middle + width, min(dates), max(dates))


def middle_and_reach(values: Sequence[float]) -> tuple[float, float]:
    """The median, and how far from it is five standard deviations, by the median of the distances from it."""
    middle = median(values)
    return middle, _DEVIATIONS * median(abs(value - middle) for value in values)
