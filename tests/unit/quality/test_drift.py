"""Distances between histograms, what a column may be beside what it was, and bands that are learned."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.spatial import distance

from quality.bands import LEAST_DATES, MOST_DATES, Bounds, distance_bounds, level_bounds
from quality.column_drift import LEAST_LISTENERS_TO_BLOCK, judge_column, shares_moved
from quality.drift import LEAST_PSI, Spread, distance_of_psi, jensen_shannon, least_psi, stability_index
from quality.observations import ALL, Observation

DAY = date(2026, 3, 9)
REFERENCE = date(2026, 3, 2)
SPREAD = Spread(np.array([100, 300, 400, 200]), 1000, nulls=0, lowest=0.0, highest=9.0, mean=4.0)

# Each row is of somebody else.
EVERYBODY = (10_000, 10_000)


def before(*values: float) -> list[tuple[date, float]]:
    """So many dates before DAY, newest first."""
    return [(DAY - timedelta(days=ago), value) for ago, value in enumerate(values, start=1)]


def failed(found: list[Observation]) -> dict[str, str]:
    return {each.metric: each.severity for each in found if not each.passed}


def test_stability_is_the_sum_over_bins_that_the_formula_says() -> None:
    # .5 ln(.5 / .25) of the first bin is .5 - .25 times ln 2, and so on.
    assert stability_index([2, 1, 1], [1, 1, 2]) == pytest.approx(2 * 0.25 * np.log(2))
    assert stability_index([5, 5], [50, 50]) == 0
    assert np.isnan(stability_index([0, 0], [1, 1]))


def test_an_empty_bin_counts_as_a_hundredth_of_a_percent_or_less_than_the_smallest() -> None:
    assert stability_index([1, 1], [2, 0]) == pytest.approx(0.5 * np.log(2) + (0.5 - 1e-4) * np.log(0.5 / 1e-4))
    rare = np.array([99_999, 1, 0]), np.array([100_000, 0, 0])
    filled = [rare[0] / 1e5, rare[1] / 1e5]
    filled[0][2], filled[1][1:] = 1e-11, 1e-4
    assert stability_index(*rare) == pytest.approx(
        float(np.sum((filled[0] - filled[1]) * np.log(filled[0] / filled[1])))
    )


def test_the_distance_is_that_of_scipy() -> None:
    drawn = np.random.default_rng(3)
    for _ in range(20):
        p, q = drawn.integers(0, 50, (2, 12))
        assert jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q))
    assert jensen_shannon([1, 0], [0, 1]) == pytest.approx(np.sqrt(np.log(2)))


def test_a_small_shift_is_as_far_in_either_measure() -> None:
    p, q = np.array([0.3, 0.3, 0.4]), np.array([0.32, 0.29, 0.39])
    assert jensen_shannon(p, q) == pytest.approx(distance_of_psi(stability_index(p, q)), rel=0.01)


def test_of_few_rows_chance_may_move_more_than_what_is_called_a_large_shift() -> None:
    assert least_psi(10, 100_000, 100_000) == LEAST_PSI
    drawn = np.random.default_rng(4)
    found = [stability_index(*drawn.multinomial(100, np.full(10, 0.1), size=2)) for _ in range(500)]
    assert LEAST_PSI < np.quantile(found, 0.99) < least_psi(10, 100, 100)


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        (replace(SPREAD, not_finite=1), {"not_finite of x": "critical"}),
        (replace(SPREAD, lowest=4.0, highest=4.0), {"constant of x": "critical"}),
        (replace(SPREAD, lowest=0.0, highest=0.0), {"constant of x": "warning"}),
        (replace(SPREAD, nulls=1100), {"nulls of x": "critical"}),
        (replace(SPREAD, nulls=900), {}),
        (
            replace(SPREAD, bins=np.array([700, 100, 100, 100])),
            {"psi of x": "warning", "jensen_shannon of x": "warning"},
        ),
        (replace(SPREAD, bins=np.array([110, 310, 390, 190])), {}),
    ],
)
def test_what_is_broken_stops_and_what_has_moved_is_told(now: Spread, fault: dict[str, str]) -> None:
    assert failed(judge_column("x", now, SPREAD, REFERENCE, {}, EVERYBODY)) == fault


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (replace(SPREAD, lowest=4.0, highest=4.0), replace(SPREAD, lowest=4.0, highest=4.0)),
        (replace(SPREAD, bins=np.array([0, 3, 0, 0]), values=3, lowest=4.0, highest=4.0), SPREAD),
        (Spread(np.zeros(4, np.int64), 0, nulls=1000), Spread(np.zeros(4, np.int64), 0, nulls=1000)),
        (replace(SPREAD, nulls=5000), replace(SPREAD, nulls=50)),
    ],
    ids=["always constant", "three values", "always null", "some nulls before"],
)
def test_what_was_so_before_or_may_be_chance_stops_nothing(now: Spread, then: Spread) -> None:
    assert "critical" not in failed(judge_column("x", now, then, REFERENCE, {}, EVERYBODY)).values()


def test_the_rows_of_one_person_move_with_them() -> None:
    moved = replace(SPREAD, bins=np.array([400, 250, 200, 150]))
    assert "psi of x" in failed(judge_column("x", moved, SPREAD, REFERENCE, {}, EVERYBODY))
    assert failed(judge_column("x", moved, SPREAD, REFERENCE, {}, (30, 30))) == {}
    of_one = judge_column("x", replace(moved, lowest=0.0, highest=0.0), SPREAD, REFERENCE, {}, (1, 1))
    assert failed(of_one) == {}
    assert "psi of x" not in {each.metric for each in of_one}


@pytest.mark.parametrize(
    ("listeners", "severity"),
    [((LEAST_LISTENERS_TO_BLOCK - 1, 10_000), "warning"), ((LEAST_LISTENERS_TO_BLOCK, 10_000), "critical")],
    ids=["one person fewer", "enough"],
)
def test_a_column_that_is_constant_or_null_for_a_handful_of_people_stops_nothing(
    listeners: tuple[int, int], severity: str
) -> None:
    constant = replace(SPREAD, lowest=4.0, highest=4.0)
    assert failed(judge_column("x", constant, SPREAD, REFERENCE, {}, listeners)) == {"constant of x": severity}
    null = replace(SPREAD, nulls=1100)
    assert failed(judge_column("x", null, SPREAD, REFERENCE, {}, listeners)) == {"nulls of x": severity}


def test_a_value_that_is_gone_and_another_that_came_have_moved() -> None:
    shares = {"Finland": 0.7, "Peru": 0.3}
    renamed = {"Suomi": 0.7, "Peru": 0.3}
    assert failed(shares_moved("country", shares, shares, (500, 500), REFERENCE, {})) == {}
    found = shares_moved("country", renamed, shares, (500, 500), REFERENCE, {})
    assert failed(found) == {"psi of country": "warning", "jensen_shannon of country": "warning"}


def test_a_column_that_moves_every_week_may_move_as_it_always_did() -> None:
    moved = replace(SPREAD, bins=np.array([700, 100, 100, 100]))
    (psi,) = (each for each in judge_column("x", moved, SPREAD, REFERENCE, {}, EVERYBODY) if each.metric == "psi of x")
    assert psi.value is not None
    history = {(psi.metric, ALL): before(*(psi.value * (1 + 0.02 * (ago % 3)) for ago in range(LEAST_DATES)))}
    (learned,) = (
        each for each in judge_column("x", moved, SPREAD, REFERENCE, history, EVERYBODY) if each.metric == "psi of x"
    )
    assert (psi.passed, learned.passed) == (False, True)
    assert (learned.learned_from, learned.learned_to) == (DAY - timedelta(days=LEAST_DATES), DAY - timedelta(days=1))
    assert str(learned.learned_from) in learned.expectation


def test_a_band_is_learned_from_enough_dates_and_never_below_the_floor() -> None:
    assert distance_bounds(before(*[0.1] * (LEAST_DATES - 1)), 0.25) == Bounds(high=0.25)
    assert distance_bounds(before(*[0.1] * LEAST_DATES), 0.25).high == 0.25
    wide = distance_bounds(before(*[1.0, 1.2, 0.8] * 20), 0.25)
    assert wide.high is not None and 1.2 < wide.high < 3
    assert wide.dates == MOST_DATES
    # One night that went wrong moves it little.
    assert distance_bounds(before(9.0, *[0.1, 0.11] * 6), 0.25).high == 0.25


def test_a_level_is_held_against_the_median_before() -> None:
    assert level_bounds([], 0.1) is None
    one = level_bounds(before(2.0), part=0.25)
    assert one == Bounds(1.5, 2.5, DAY - timedelta(days=1), DAY - timedelta(days=1), 1)
    assert "floor around the median" in one.origin
    learned = level_bounds(before(*[1.0, 2.0, 3.0] * 3), 0.1, below=True)
    assert learned is not None and learned.low is not None
    assert learned.low < 0 and learned.high is None
    assert learned.hold(100.0) and not learned.hold(float("nan")) and not learned.hold(-100.0)
