"""What a column may be, beside what it was as of a date before: what is plainly broken, and what has moved."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

import numpy as np

from quality.bands import Bounds, Dated, distance_bounds
from quality.drift import Floats, Spread, distance_of_psi, jensen_shannon, least_psi, stability_index
from quality.observations import ALL, Observation, Past, Severity

# Fewer values may all be one by chance.
LEAST_VALUES = 20
# What fewer people did in a week says nothing about those who did it the week before.
LEAST_LISTENERS = 20
# A column that is one value, or null, for fewer may be what they share once a load is undone: it stops nothing.
LEAST_LISTENERS_TO_BLOCK = 10
# From hardly any null to mostly nulls: a column that is not filled any more. One that is filled for some sources alone
# has many from the start.
FEW_NULLS, MANY_NULLS = 0.01, 0.5

History = Mapping[tuple[str, str], Dated]


def history_of(past: Iterable[Past]) -> History:
    """Figures of earlier dates by metric and segment, newest first, as `observations.past` gives them."""
    found: defaultdict[tuple[str, str], list[tuple[date, float]]] = defaultdict(list)
    for each in past:
        found[each.metric, each.segment].append((each.as_of, each.value))
    return found


def judge_column(
    name: str, now: Spread, before: Spread, reference: date, history: History, listeners: tuple[int, int]
) -> list[Observation]:
    """Every figure of a column: of both spreads the bins are the same. reference: the date of `before`.

    listeners: whose rows they are, now and then. What one person does moves all of their rows.
    """
    broken = [
        _not_finite(name, now),
        _constant(name, now, before, reference, listeners),
        _nulls(name, now, before, reference, listeners),
    ]
    mean = Observation(f"mean of {name}", now.mean, True, "told, not judged", "info")
    return [*broken, *spread_moved(name, now, before, reference, history, listeners), mean]


def shares_moved(
    name: str,
    now: Mapping[str, float],
    before: Mapping[str, float],
    rows: tuple[int, int],
    reference: date,
    history: History,
) -> list[Observation]:
    """The distances of a column that is not a number, by the share that each of its values has. rows: now and then."""
    values = sorted({*now, *before})
    shares = [np.array([each.get(value, 0.0) for value in values]) for each in (before, now)]
    return _distances(name, shares[0], shares[1], rows, reference, history)


def _not_finite(name: str, now: Spread) -> Observation:
    found = now.not_finite
    expectation = f"no value of {name} is NaN or infinite" + (f": {found:,} of {now.rows:,} are" if found else "")
    return Observation(f"not_finite of {name}", float(found), not found, expectation, high=0.0)


def _constant(name: str, now: Spread, before: Spread, reference: date, listeners: tuple[int, int]) -> Observation:
    varied = before.values >= LEAST_VALUES and not before.constant
    # A few people may all leave off: what is 0 then, nobody did.
    left_off = now.lowest == 0 and listeners[1] < LEAST_LISTENERS
    broken = varied and now.values >= LEAST_VALUES and now.constant and not left_off
    if broken:
        expectation = (
            f"{name} varies, as it did as of {reference} (from {before.lowest:.4g} to {before.highest:.4g}): all of"
            f" its {now.values:,} values are {now.lowest:.4g}"
        )
    else:
        expectation = f"{name} is not constant where it was not as of {reference}"
    # All 0 is also what is left of the last seven days when nobody listened in them.
    severity: Severity = "warning" if now.lowest == 0 or listeners[0] < LEAST_LISTENERS_TO_BLOCK else "critical"
    high = 0.0 if varied else None
    return Observation(f"constant of {name}", float(now.constant), not broken, expectation, severity, high=high)


def _nulls(name: str, now: Spread, before: Spread, reference: date, listeners: tuple[int, int]) -> Observation:
    filled = before.rows >= LEAST_VALUES and before.null_share < FEW_NULLS
    broken = filled and now.null_share > MANY_NULLS
    expectation = f"at most {MANY_NULLS:.0%} of {name} is null where less than {FEW_NULLS:.0%} was as of {reference}"
    if broken:
        expectation += f": {now.null_share:.1%} is"
    severity: Severity = "warning" if listeners[0] < LEAST_LISTENERS_TO_BLOCK else "critical"
    high = MANY_NULLS if filled else None
    return Observation(f"nulls of {name}", now.null_share, not broken, expectation, severity, high=high)


def spread_moved(
    name: str, now: Spread, before: Spread, reference: date, history: History, listeners: tuple[int, int]
) -> list[Observation]:
    """The distances of a column alone, as `judge_column`; none without values on both dates, and of a few people."""
    if not now.bins.any() or not before.bins.any():
        return []
    bins = before.bins.astype(np.float64), now.bins.astype(np.float64)
    if listeners[1] < LEAST_LISTENERS:
        return []
    independent = min(int(now.bins.sum()), listeners[0]), min(int(before.bins.sum()), listeners[1])
    return _distances(name, *bins, independent, reference, history)


def _distances(
    name: str, before: Floats, now: Floats, rows: tuple[int, int], reference: date, history: History
) -> list[Observation]:
    there = int(((before > 0) | (now > 0)).sum())
    floor = least_psi(there, *rows)
    found = []
    for metric, value, least in (
        (f"psi of {name}", stability_index(before, now), floor),
        (f"jensen_shannon of {name}", jensen_shannon(before, now), distance_of_psi(floor)),
    ):
        bounds = distance_bounds(history.get((metric, ALL), ()), least)
        expectation = f"{metric} against {reference} is at most {bounds.high:.3g}, {bounds.origin}"
        found.append(
            judged(metric, value, bounds, expectation if bounds.hold(value) else f"{expectation}: {value:.3g}")
        )
    return found


def judged(metric: str, value: float, bounds: Bounds | None, expectation: str, segment: str = ALL) -> Observation:
    """A figure that is told of where it is out of bounds; without any it is only kept."""
    if bounds is None:
        return Observation(metric, value, True, expectation, "info", segment)
    return Observation(
        metric,
        value,
        bounds.hold(value),
        expectation,
        "warning",
        segment,
        bounds.low,
        bounds.high,
        bounds.learned_from,
        bounds.learned_to,
    )
