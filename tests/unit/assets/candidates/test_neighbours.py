"""Sources that learn from whole histories: neighbours among tracks and users, and linear regression."""

import numpy as np
import pytest

from assets.candidates.ease import Ease, EaseConfig
from assets.candidates.history import History
from assets.candidates.item_neighbours import bm25
from assets.candidates.source import ABSENT
from assets.candidates.user_neighbours import UserNeighbours, UserNeighboursConfig
from tests.unit.assets.candidates.small_listens import (
    AS_OF,
    checkerboard,
    listens_of,
    random_listens,
)

RIDGE = EaseConfig(regularization=5.0)


class TestItemNeighbours:
    def test_bm25_saturates_plays_and_discounts_long_histories_and_common_tracks(self) -> None:
        rows = [(0, 1, 1.0, n) for n in range(8)] + [(0, 2, 1.0, 9), (1, 1, 1.0, 10), (1, 2, 1.0, 10), (2, 1, 1.0, 11)]
        plays = History(listens_of(rows), AS_OF).plays()
        weight = bm25(plays, k1=1.2, b=0.75).toarray()
        rarity = np.log1p(3 / np.array([3, 2]))
        # Histories of 9, 2 and 1 plays: 4 on average.
        assert weight[0, 0] == pytest.approx(8 * 2.2 / (8 + 1.2 * (0.25 + 0.75 * 9 / 4)) * rarity[0], rel=1e-5)
        assert weight[1, 1] == pytest.approx(1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 4)) * rarity[1], rel=1e-5)
        assert weight[2, 1] == 0


class TestUserNeighbours:
    def test_a_user_is_not_a_neighbour_of_their_own(self) -> None:
        history = History(listens_of([(0, 1, 1.0, 0), (0, 2, 1.0, 0), (1, 1, 1.0, 1)]), AS_OF)
        scores = UserNeighbours(history, UserNeighboursConfig()).scores(np.array([0]))[0]
        assert scores[1] == ABSENT, "only user 0 heard track 2"
        assert scores[0] > 0

    def test_the_most_alike_and_only_the_most_active_vote(self) -> None:
        rows = [(0, 1, 1.0, 0), (0, 2, 1.0, 0), (1, 1, 1.0, 1), (1, 2, 1.0, 1), (1, 3, 1.0, 1)]
        rows += [(2, 1, 1.0, 2), (2, 4, 1.0, 2), (2, 5, 1.0, 2), (2, 6, 1.0, 2)]
        history = History(listens_of(rows), AS_OF)
        one = UserNeighbours(history, UserNeighboursConfig(neighbours=1)).scores(np.array([0]))[0]
        assert (one[2] > 0, one[3]) == (True, ABSENT), "user 1 is the most alike"
        active = UserNeighbours(history, UserNeighboursConfig(most_active=1)).scores(np.array([0]))[0]
        assert (active[2], active[3] > 0) == (ABSENT, True), "user 2 plays most"


class TestEase:
    @pytest.mark.parametrize("block", [1_000, 7])
    def test_the_weights_are_those_of_a_ridge_regression_of_each_track_on_the_others(
        self, block: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("assets.candidates.ease._BLOCK", block)
        history = History(random_listens(), AS_OF)
        heard = history.heard.toarray().astype(np.float64)
        target, others = heard[:, 7], np.delete(heard, 7, axis=1)
        ridge = np.linalg.solve(others.T @ others + 5.0 * np.eye(others.shape[1]), others.T @ target)
        expected = np.delete(np.log1p(history.plays(180.0).toarray()), 7, axis=1) @ ridge
        scores = Ease(history, RIDGE).scores(np.arange(len(history.users)))[:, 7]
        assert scores == pytest.approx(np.where(expected > 0, expected, -np.inf), rel=1e-3, abs=1e-5)

    def test_tracks_beyond_the_most_heard_are_not_offered(self) -> None:
        history = History(random_listens(), AS_OF)
        listeners = np.bincount(history.heard.indices)
        scores = Ease(history, EaseConfig(regularization=5.0, tracks=10)).scores(np.arange(len(history.users)))
        offered = np.flatnonzero((scores > ABSENT).any(axis=0))
        assert len(offered) == 10
        assert listeners[offered].min() >= np.delete(listeners, offered).max()

    def test_another_number_of_threads_gives_the_same_bits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # On fewer tracks BLAS does not divide the work.
        chance = np.random.default_rng(3)
        rows = [(user, int(track), 1.0, user) for user in range(300) for track in chance.integers(0, 600, 40)]
        history = History(listens_of(rows), AS_OF)
        scores = []
        for threads in ("1", "2"):
            monkeypatch.setenv("AUDOTICS_THREADS", threads)
            scores.append(Ease(history, RIDGE).scores(np.arange(len(history.users))))
        assert scores[0].tobytes() == scores[1].tobytes()

    def test_a_matrix_without_an_inverse_is_refused(self) -> None:
        with pytest.raises(ValueError, match="regularization 0"):
            Ease(History(listens_of([(0, 1, 1.0, 0), (0, 2, 1.0, 0)]), AS_OF), EaseConfig(regularization=0.0))

    def test_users_are_scored_without_a_copy_of_the_weights(self) -> None:
        assert Ease(History(checkerboard(), AS_OF), RIDGE)._weights.flags.c_contiguous
