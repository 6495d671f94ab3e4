"""Candidate recall, of the pool and of its sources, by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.candidates.history import History
from assets.candidates.pool import Sources
from assets.candidates.source import ABSENT
from assets.evaluation.baselines import source_lists
from assets.listens import Floats, Ints, Listens, epoch_seconds
from assets.metrics.candidate_recall import candidate_recall
from assets.slates import Slate

AS_OF = date(2020, 3, 1)
TRACKS = 6


class Fixed:
    """Offers each user (code) the tracks given, best first."""

    name = "fixed"

    def __init__(self, offered: dict[int, list[int]]) -> None:
        self._offered = offered

    def scores(self, user_codes: Ints) -> Floats:
        scores = np.full((len(user_codes), TRACKS), ABSENT, np.float32)
        for row, code in enumerate(user_codes):
            for place, track in enumerate(self._offered.get(int(code), [])):
                scores[row, track] = -place
        return scores


SOURCES = ("first", "second", "outside")


def sources(sizes: dict[str, int]) -> Sources:
    """Users 0 to 2 who have heard the tracks 0 to 5; three sources."""
    frame = pd.DataFrame({"user_key": [0, 0, 0, 1, 1, 2], "track_key": range(TRACKS), "session_key": range(TRACKS)})
    history = History(Listens.from_frame(frame.assign(listened_at=epoch_seconds(AS_OF) - 100)), AS_OF)
    offered = {
        "first": {0: [0, 1, 2], 1: [3]},
        "second": {0: [1, 3], 1: [3]},
        "outside": {0: [5], 1: [4]},
    }
    return Sources(history, {name: lambda name=name: Fixed(offered[name]) for name in offered}, sizes)


def measured(sizes: dict[str, int], slate: Slate = Slate.FOR_YOU) -> dict:
    made = sources(sizes)
    return candidate_recall(source_lists(made, SOURCES, slate, made.history.users), made.sizes, RELEVANT)


RELEVANT = pd.DataFrame({"user_key": [0, 0, 0, 0, 1, 1, 2], "track_key": [0, 1, 2, 5, 3, 4, 0]}, dtype=np.int32)


@pytest.fixture(params=[1, 2000])
def pool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict:
    """In batches of one user, and all at once."""
    monkeypatch.setattr("assets.metrics.candidate_recall.USERS_PER_BATCH", request.param)
    return measured({"first": 2, "second": 2})


def test_the_pool_holds_what_sources_put_forward_within_their_sizes(pool: dict) -> None:
    # User 0: tracks 0, 1 and 3; two of the four relevant tracks are among them. Track 2 is the third of the first
    # source, too far down. User 1: track 3, one of two. User 2: nobody offers anything.
    assert pool["size"] == pytest.approx((3 + 1 + 0) / 3)
    assert pool["recall"]["mean"] == pytest.approx((2 / 4 + 1 / 2 + 0) / 3)
    low, high = pool["recall"]["ci95"]
    assert 0 <= low <= pool["recall"]["mean"] <= high <= 0.5


def test_a_source_has_its_own_recall_and_the_part_that_no_other_in_the_pool_has(pool: dict) -> None:
    by_name = {each["source"]: each for each in pool["sources"]}
    assert [(name, each["in_pool"], each["size"]) for name, each in by_name.items()] == [
        ("first", True, 2),
        ("second", True, 2),
        ("outside", False, 100),
    ]
    assert [each["offered"] for each in by_name.values()] == pytest.approx([(2 + 1) / 3, (2 + 1) / 3, (1 + 1) / 3])
    assert [each["recall"] for each in by_name.values()] == pytest.approx(
        [(2 / 4 + 1 / 2) / 3, (1 / 4 + 1 / 2) / 3, (1 / 4 + 1 / 2) / 3]
    )
    # The second offers nothing relevant that the first does not; outside would add one track to two users each.
    assert [each["marginal"]["mean"] for each in by_name.values()] == pytest.approx(
        [(1 / 4 + 0) / 3, 0, (1 / 4 + 1 / 2) / 3]
    )
    assert by_name["second"]["marginal"]["ci95"] == [0, 0]


def test_without_what_it_puts_forward_alone_the_pool_is_that_of_the_others(pool: dict) -> None:
    without = measured({"second": 2})
    (first,) = [each for each in pool["sources"] if each["source"] == "first"]
    assert pool["recall"]["mean"] - without["recall"]["mean"] == pytest.approx(first["marginal"]["mean"])


def test_what_a_slate_may_not_show_is_in_no_pool() -> None:
    found = measured({"first": 2, "second": 2}, Slate.DISCOVER)
    # Of user 0 track 3 is left, of user 1 nothing of the two sources in the pool.
    assert found["size"] == pytest.approx(1 / 3)
    assert found["recall"]["mean"] == 0
