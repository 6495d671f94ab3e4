"""What the gate refuses, and what it must not: by figures alone."""

from datetime import date, timedelta
from typing import Any

import pytest

from assets.release_gate.bounds import LEAST_NIGHTS, LEAST_SHADOW_USERS, Figures, refusals
from assets.release_gate.measures import ALL

AS_OF = date(2026, 6, 20)
# A night of 300 listeners, as in the sample world.
HEALTHY: dict[str, float] = {
    "users_expected": 300,
    "coverage": 1,
    "users": 300,
    "untrained": 0,
    "length": 98,
    "tracks": 700,
    "artists": 40,
    "lists_of_10": 300,
    "lists_of_50": 295,
    "same_list": 1 / 300,
    "alike": 0.1,
    "one_artist": 0,
    "top_artist": 0.05,
    "top_artist_listens": 0.04,
    "one_score": 0,
    "known_tracks": 800,
    "known_artists": 150,
    "overlap": 0.8,
    "compared_users": 300,
    "compared_days": 1,
    "compared_model": 1,
    **dict.fromkeys(("not_finite", "unknown_tracks", "unknown_reasons", "unknown_users", "blocked"), 0),
}
# One listener with thirty tracks, all of one artist.
ONE_LISTENER = {
    **HEALTHY,
    **dict.fromkeys(("users", "users_expected", "lists_of_10", "same_list", "one_score", "overlap"), 1),
    "known_tracks": 30,
    "known_artists": 1,
    "top_artist": 1,
    "top_artist_listens": 1,
    "tracks": 30,
    "length": 30,
    "artists": 1,
    "lists_of_50": 0,
    "alike": 0,
    "compared_users": 1,
    "untrained": 1,
}


def figures(**other: float) -> Figures:
    return {(name, ALL): value for name, value in {**HEALTHY, **other}.items()}


def nights(number: int, **other: float) -> list[tuple[date, Figures]]:
    """So many nights before, newest first, whose figures vary a little unless they are given."""
    found = []
    for each in range(1, number + 1):
        varied = {"alike": 0.1 + 0.01 * (each % 3), "overlap": 0.8 - 0.02 * (each % 2)}
        found.append((AS_OF - timedelta(days=each), figures(**{**varied, **other})))
    return found


def refused(now: Figures, before: list[tuple[date, Figures]] | None = None) -> dict[str, str]:
    return {each.measure: each.reason for each in refusals(AS_OF, now, before or [])}


@pytest.mark.parametrize("before", [0, 1, LEAST_NIGHTS, 28])
def test_a_healthy_night_is_not_refused(before: int) -> None:
    assert refused(figures(), nights(before)) == {}


@pytest.mark.parametrize(
    ("other", "measure", "said"),
    [
        ({"coverage": 0.9}, "coverage", "90.0% of the 300 users expected have a list, where 95% is the least"),
        ({"coverage": 0, "users": 0}, "coverage", "0.0% of the 300 users expected"),
        ({"same_list": 0.95}, "same_list", "95.0% of the lists are one and the same, where 20% is the most"),
        ({"alike": 0.93}, "alike", "93.0% of the first 20 tracks of a list are those of any other"),
        ({"top_artist": 0.7}, "top_artist", "70.0% of all places have one artist, who has 4.0% of the listens"),
        ({"one_artist": 0.4}, "one_artist", "40.0% of the long lists are filled by one artist"),
        ({"one_score": 1}, "one_score", "100.0% of the lists have the same score on every place"),
        ({"unknown_tracks": 3}, "unknown_tracks", "3 tracks that the release does not know"),
        ({"unknown_reasons": 2}, "unknown_reasons", "2 reasons that name tracks"),
        ({"unknown_users": 1}, "unknown_users", "1 lists of users whom the warehouse does not know"),
        ({"not_finite": 5}, "not_finite", "5 scores that are not finite numbers"),
        ({"blocked": 1}, "blocked", "1 tracks that their users have blocked"),
    ],
)
def test_what_no_night_may_be_is_refused_from_the_first_night_on(
    other: dict[str, float], measure: str, said: str
) -> None:
    found = refused(figures(**other))
    assert set(found) == {measure}
    assert found[measure].startswith(said)


def test_a_part_of_the_users_without_lists_is_refused_though_nearly_all_have_one() -> None:
    segment = {("users_expected", "country: Finland"): 30.0, ("coverage", "country: Finland"): 0.5}
    found = refused({**figures(coverage=0.96), **segment})
    assert found == {
        "coverage": "50.0% of the 30 users expected of the segment country: Finland have a list, where 90% is the least"
    }
    assert refused({**figures(), **segment, ("users_expected", "country: Finland"): 29.0}) == {}


@pytest.mark.parametrize(
    ("other", "measure"),
    [
        ({"users": 150, "users_expected": 150}, "users"),
        ({"length": 40}, "length"),
        ({"tracks": 200}, "tracks"),
        ({"overlap": 0.12, "alike": 0.1}, "overlap"),
    ],
)
def test_what_is_lost_from_one_night_to_the_next_is_refused(other: dict[str, float], measure: str) -> None:
    assert set(refused(figures(**other), nights(1))) == {measure}
    assert refused(figures(**other, compared_days=8)) == {}, "of longer ago is another world"


def test_lists_that_another_model_makes_may_be_others_altogether() -> None:
    assert refused(figures(overlap=0.05, compared_model=0), nights(28)) == {}
    assert set(refused(figures(overlap=0.05), nights(28))) == {"overlap"}


@pytest.mark.parametrize(
    ("other", "measure"),
    [
        ({"overlap": 0.5}, "overlap"),
        ({"overlap": 1}, "overlap"),
        ({"alike": 0.35}, "alike"),
        ({"top_artist": 0.2}, "top_artist"),
        ({"artists": 20}, "artists"),
        ({"length": 60}, "length"),
        ({"tracks": 400}, "tracks"),
    ],
)
def test_what_is_unlike_the_nights_before_is_refused_once_there_are_enough(
    other: dict[str, float], measure: str
) -> None:
    assert refused(figures(**other), nights(LEAST_NIGHTS - 1)) == {}
    found = refused(figures(**other), nights(LEAST_NIGHTS))
    assert set(found) == {measure}
    assert f"by the {LEAST_NIGHTS} nights from 2026-06-13 to 2026-06-19" in found[measure]


def test_nights_that_vary_let_the_next_one_vary() -> None:
    varied = [(day, {**each, ("overlap", ALL): 0.3 + 0.09 * (day.day % 7)}) for day, each in nights(28)]
    assert refused(figures(overlap=0.3), varied) == {}


@pytest.mark.parametrize("before", [0, 28])
def test_one_listener_is_never_refused_for_listening_to_one_artist(before: int) -> None:
    assert refused(figures(**ONE_LISTENER), nights(before, **ONE_LISTENER)) == {}


@pytest.mark.parametrize(
    "other",
    [
        {"known_tracks": 30, "tracks": 30, "length": 30, "same_list": 0.9, "alike": 0.95, "lists_of_50": 0},
        {"untrained": 1, "alike": 0.97, "same_list": 0.5, "overlap": 0.97},
        {"known_artists": 1, "top_artist": 1, "top_artist_listens": 1, "artists": 1},
        {"top_artist": 0.8, "top_artist_listens": 0.5},
        {"users": 3, "users_expected": 5, "coverage": 0.6, "lists_of_10": 3, "lists_of_50": 3, "one_score": 1 / 3},
    ],
    ids=["thirty tracks", "no ranker", "one artist", "what all listen to", "five listeners"],
)
def test_small_worlds_are_not_refused_for_being_small(other: dict[str, float]) -> None:
    assert refused(figures(**other)) == {}


def test_a_slate_without_a_list_is_refused_where_it_had_some_or_many_should_have_one() -> None:
    few: dict[Any, float] = {("users_expected", ALL): 5.0, ("coverage", ALL): 0.0}
    assert refused(few) == {}
    assert set(refused(few, nights(1))) == {"coverage"}
    assert set(refused({**few, ("users_expected", ALL): 20.0})) == {"coverage"}
    assert refused({}, nights(28)) == {}, "nobody is expected to have one"


# Lists of two weeks ago made again for 2,000 listeners, a little better than those that were served.
SHADOW: dict[str, float] = {
    "shadow_users": 2000,
    "shadow_days": 15,
    "shadow_ndcg": 0.402,
    "shadow_ndcg_then": 0.4,
    "shadow_delta": 0.002,
    "shadow_low": -0.004,
    "shadow_high": 0.008,
}


def losing(delta: float, high: float, **other: float) -> Figures:
    return figures(**{**SHADOW, "shadow_ndcg": 0.4 + delta, "shadow_delta": delta, "shadow_high": high, **other})


def test_what_would_have_served_listeners_much_worse_is_refused_with_both_figures() -> None:
    assert refused(losing(-0.1, -0.08)) == {
        "shadow_delta": "NDCG@100 of 2,000 listeners is 0.3000 with lists as of 2026-06-05 by the model and the code of"
        " these, and 0.4000 with those that they were served: 0.1000 less, at least 0.0800, where 5% is tolerated"
    }
    (refusal,) = refusals(AS_OF, losing(-0.1, -0.08), [])
    assert (refusal.value, refusal.bound) == (-0.1, pytest.approx(-0.02))


@pytest.mark.parametrize(
    "now",
    [
        figures(**SHADOW),
        losing(-0.019, -0.01),
        losing(-0.1, 0.001),
        losing(-0.1, -0.08, shadow_users=LEAST_SHADOW_USERS - 1),
        figures(shadow_users=0, shadow_days=15),
    ],
    ids=["no loss", "less than is tolerated", "may be chance", "few listeners", "nobody"],
)
def test_what_would_have_served_them_as_well_is_not_refused(now: Figures) -> None:
    assert refused(now) == {}
