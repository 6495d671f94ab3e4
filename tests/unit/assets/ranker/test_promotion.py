"""The gate on constructed lists: better and equal ones pass, worse ones do not, each guardrail refuses alone."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from assets.metrics.protocol import per_user_metrics
from assets.ranker.judging import Audience, Performance
from assets.ranker.promotion import Decision, PromotionConfig, concentration, decide

USERS = 90
COMMON = [10_001, 10_002, 10_003, 10_004, 10_005]
SECOND = 1 / np.log2(3)

Tracks = Callable[[int], list[int]]


def own(count: int, first: int = 0) -> Tracks:
    """Tracks that no other user has."""
    return lambda user: [20_000 + 100 * user + first + n for n in range(count)]


def hit_at(rank: int, rest: Tracks | None = None) -> Tracks:
    """A user's list with the one relevant track, which is named after the user, at a rank."""
    others = rest or own(9)
    return lambda user: [*others(user)[: rank - 1], user, *others(user)[rank - 1 :]]


def performance(
    tracks_of: Tracks, artist_of: Callable[[int], int] = lambda track: -1, rows_per_second: float = 1000.0
) -> Performance:
    rows = [(user, track, rank) for user in range(USERS) for rank, track in enumerate(tracks_of(user), start=1)]
    lists = pd.DataFrame(rows, columns=["user_key", "track_key", "rank"])
    lists["artist_key"] = lists["track_key"].map(artist_of)
    metrics = per_user_metrics(lists, pd.DataFrame({"user_key": range(USERS), "track_key": range(USERS)}))[1]
    nothing = np.zeros(0)
    return Performance(lists, metrics, nothing.astype(np.float32), nothing.astype(bool), rows_per_second)


def audience() -> Audience:
    """Every user has one relevant track; a user's number is also how much they had listened."""
    users = np.arange(USERS, dtype=np.int32)
    return Audience(users, users.astype(np.float32), np.ones(USERS, np.int64), USERS)


def decision(challenger: Performance, incumbent: Performance) -> Decision:
    return decide(audience(), challenger, incumbent, PromotionConfig())


def refused_for(challenger: Performance, incumbent: Performance, *beginnings: str) -> Decision:
    """The decision, which names these objections and no other."""
    decided = decision(challenger, incumbent)
    assert not decided.promoted
    assert [any(map(reason.startswith, beginnings)) for reason in decided.reasons] == [True] * len(beginnings)
    return decided


def test_a_better_challenger_is_promoted() -> None:
    decided = decision(performance(hit_at(1)), performance(hit_at(2)))
    assert decided.promoted
    assert decided.figures is not None
    assert decided.figures["challenger"]["ndcg@100"] == 1.0
    assert decided.figures["incumbent"]["ndcg@100"] == pytest.approx(SECOND)
    assert decided.figures["delta"] == pytest.approx(1 - SECOND)
    assert decided.figures["ci95"] == pytest.approx([1 - SECOND] * 2)


def test_a_challenger_that_ranks_as_the_incumbent_does_is_promoted() -> None:
    decided = decision(performance(hit_at(3)), performance(hit_at(3)))
    assert (decided.promoted, decided.reasons) == (True, ["not worse than the incumbent"])
    assert decided.figures is not None
    assert (decided.figures["delta"], decided.figures["ci95"]) == (0.0, [0.0, 0.0])


def test_a_challenger_that_is_no_better_than_nothing_is_compared_all_the_same() -> None:
    assert decision(performance(own(5)), performance(own(5))).promoted


def test_a_worse_challenger_is_refused() -> None:
    decided = decision(performance(hit_at(2)), performance(hit_at(1)))
    assert not decided.promoted
    assert decided.reasons[0].startswith("NDCG@100 may be worse by 0.3691, and 0.0500 is tolerated")


def test_a_loss_within_the_tolerance_is_promoted() -> None:
    one_worse = performance(lambda user: hit_at(2 if user == 40 else 1)(user))
    decided = decision(one_worse, performance(hit_at(1)))
    assert decided.promoted
    assert decided.figures is not None
    assert -0.05 < decided.figures["ci95"][0] < decided.figures["delta"] < 0


def test_what_may_be_chance_either_way_is_refused() -> None:
    mixed = performance(lambda user: hit_at(1 + user % 2)(user))
    other_way = performance(lambda user: hit_at(2 - user % 2)(user))
    decided = refused_for(mixed, other_way, "NDCG@100 may be worse")
    assert decided.figures is not None
    assert decided.figures["delta"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("segment", "members"), [("light", range(30)), ("medium", range(30, 60)), ("heavy", range(60, 90))]
)
def test_one_segment_that_loses_refuses_what_is_better_on_the_whole(segment: str, members: range) -> None:
    challenger = performance(lambda user: hit_at(2 if user in members else 1)(user))
    incumbent = performance(lambda user: hit_at(1 if user in members else 2)(user))
    decided = refused_for(challenger, incumbent, f"{segment} listeners lose 0.3691 of NDCG@100 1.0000")
    assert decided.figures is not None
    assert decided.figures["ci95"][0] > 0


def test_fewer_distinct_tracks_refuse() -> None:
    shared = performance(hit_at(1, lambda user: COMMON + own(4)(user - user % 2)))
    refused_for(shared, performance(hit_at(1, lambda user: COMMON + own(4)(user))), "coverage: 275 distinct")


def test_the_same_tracks_in_more_lists_refuse() -> None:
    for_all = performance(hit_at(1, lambda user: COMMON + own(40)(user)))
    for_some = performance(hit_at(1, lambda user: own(45)(user) if user % 3 == 0 else COMMON + own(40)(user)))
    refused_for(for_all, for_some, "concentration: the 1 % most listed tracks take 11.7% of the places")


def test_the_same_artists_in_more_lists_refuse() -> None:
    one_artist = performance(hit_at(1), artist_of=lambda track: 7)
    refused_for(
        one_artist, performance(hit_at(1), artist_of=lambda track: track), "concentration: the 1 % most listed artists"
    )


def test_scoring_several_times_slower_refuses_and_a_noisy_machine_does_not() -> None:
    incumbent = performance(hit_at(1), rows_per_second=1000.0)
    refused_for(performance(hit_at(1), rows_per_second=300.0), incumbent, "speed: 300 rows")
    assert decision(performance(hit_at(1), rows_per_second=500.0), incumbent).promoted


def test_concentration_by_hand() -> None:
    wide = pd.DataFrame({"track_key": range(200), "artist_key": -1})
    narrow = pd.DataFrame({"track_key": [*range(6), 0, 0, 1, 0], "artist_key": -1})
    shares = concentration(narrow, wide)
    # 1 % of the 200 tracks that are listed is two.
    assert shares["track_concentration"] == {"challenger": 0.6, "incumbent": 0.01}
    assert shares["artist_concentration"] == {"challenger": None, "incumbent": None}
