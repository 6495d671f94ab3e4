"""From where on a day is odd, and from where on it stops the night."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from quality.arrivals import LISTENS, OF_A_LISTENER, SILENCE, Arrival, judge_day, why_not_blocked, why_not_judged
from quality.days import READ_DAYS, Days

LISTENERS = 100


def days(listens: float = 1_000.0, listeners: float = LISTENERS, hours: int = 24, noise: float = 0.02) -> Days:
    """Days with about 1,000 listens of 100 listeners, five of them in every hour, and a last one as asked."""
    drawn = np.random.default_rng(3)
    usual = 1_000 * np.exp(noise * drawn.standard_normal(READ_DAYS + 1))
    usual[-1] = listens
    people = np.full(READ_DAYS + 1, float(LISTENERS))
    people[-1] = listeners
    by_hour = np.full((READ_DAYS + 1, 24), 5.0)
    by_hour[-1, hours:] = 0
    return Days("all", date(2026, 3, 1), usual, people, by_hour)


def figures(found: list[Arrival]) -> dict[str, tuple[bool, bool]]:
    return {each.figure: (each.odd, each.blocks) for each in found}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (days(), {LISTENS: (False, False), OF_A_LISTENER: (False, False), SILENCE: (False, False)}),
        # Fewer people, each as busy as ever.
        (days(500, 50), {LISTENS: (True, False), OF_A_LISTENER: (False, False), SILENCE: (False, False)}),
        (days(230, 23), {LISTENS: (True, True), OF_A_LISTENER: (False, False), SILENCE: (False, False)}),
        # As many people, each with two thirds: both are lower by more than a quarter.
        (days(700), {LISTENS: (True, True), OF_A_LISTENER: (True, True), SILENCE: (False, False)}),
        (days(780), {LISTENS: (False, False), OF_A_LISTENER: (False, False), SILENCE: (False, False)}),
        (days(1_600), {LISTENS: (True, False), OF_A_LISTENER: (True, False), SILENCE: (False, False)}),
        (days(0, 0), {LISTENS: (True, True)}),
        # An hour has five listeners: two hours are more than five and less than twice that, three are more.
        (days(hours=22), {LISTENS: (False, False), OF_A_LISTENER: (False, False), SILENCE: (True, False)}),
        (days(hours=21), {LISTENS: (False, False), OF_A_LISTENER: (False, False), SILENCE: (True, True)}),
    ],
    ids=["usual", "quiet", "a quarter", "a third lost", "a fifth lost", "many", "nothing", "two hours", "three hours"],
)
def test_what_is_odd_and_what_stops_the_night(day: Days, expected: dict[str, tuple[bool, bool]]) -> None:
    assert figures(judge_day(day)) == expected


def test_where_days_differ_much_half_of_one_is_not_beyond_doubt() -> None:
    assert not any(each.blocks for each in judge_day(days(500, noise=0.4)))


@pytest.mark.parametrize(("on_holiday", "odd"), [(0.0, True), (0.5, True), (1.0, False)])
def test_on_a_holiday_fewer_listen(on_holiday: float, odd: bool) -> None:
    listens = judge_day(days(300, 30), on_holiday)[0]
    assert (listens.odd, listens.blocks) == (odd, False)


def test_a_stretch_is_held_against_the_longest_but_one() -> None:
    outage = days(hours=20)
    outage.listeners_by_hour[-10, 12:] = 0
    assert figures(judge_day(outage))[SILENCE] == (True, True)
    outage.listeners_by_hour[-20, 12:] = 0
    assert figures(judge_day(outage))[SILENCE] == (False, False)


def test_where_days_without_listens_are_usual_one_more_says_nothing() -> None:
    weekly = days(0, 0)
    weekly.listens[2::7] = 0
    (listens,) = judge_day(weekly)
    assert not listens.blocks


def test_why_a_day_is_not_judged_or_stops_nothing() -> None:
    young = days()
    young.listens[:7] = 0
    ended = days(0, 0)
    ended.listens[-10:] = 0
    assert [why_not_judged(each) for each in (days(), young, ended, days_of(20))] == [
        None,
        "its history is shorter than 84 days",
        "there had been no listen for 9 days before it: the listening has ended",
        "with fewer than 50 listens a day, a day is what a few people happened to do",
    ]
    few = replace(days(), listeners=np.full(READ_DAYS + 1, 9.0))
    assert [
        why_not_blocked(each) for each in (days(), few, replace(days(), live_days=2), replace(days(), share=0.04))
    ] == [
        None,
        "fewer than 10 people listen on a usual day",
        "the days before it did not come one by one, so it is not known when a day is all there",
        "the source has 4.0% of all listens",
    ]


def days_of(listens: float) -> Days:
    return replace(days(), listens=np.full(READ_DAYS + 1, listens))
