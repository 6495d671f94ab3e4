"""Known answers of sources that know of listens alone, on a few listens and on a checkerboard."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from assets.candidates.als import Als, AlsConfig, fit_track_vectors
from assets.candidates.history import History
from assets.candidates.own_tracks import OwnRecency, OwnTracks, OwnTracksConfig
from assets.candidates.popular import Popular, PopularConfig
from assets.candidates.session_cooccurrence import SessionCooccurrence, SessionCooccurrenceConfig
from assets.candidates.source import ABSENT
from assets.slates import Slate
from tests.unit.assets.candidates.small_listens import (
    AS_OF,
    UNKNOWN_USER,
    checkerboard,
    listens_of,
    lists_of,
    random_listens,
)


class TestOwnTracks:
    def test_the_score_is_the_sum_of_decayed_listens(self) -> None:
        history = History(listens_of([(0, 5, 60.0, 0), (0, 5, 120.0, 1), (0, 9, 60.0, 0), (1, 9, 1.0, 2)]), AS_OF)
        scores = OwnTracks(history, OwnTracksConfig(decay_days=60.0)).scores(np.array([0, 1]))
        assert scores[0] == pytest.approx([np.exp(-1) + np.exp(-2), np.exp(-1)])
        assert scores[1].tolist() == [ABSENT, pytest.approx(np.exp(-1 / 60))]


class TestOwnRecency:
    def test_the_latest_listen_of_each_track_decides(self) -> None:
        rows = [(0, 5, 9.0, 0), (0, 5, 1.0, 1), (0, 8, 4.0, 0), (1, 8, 3.0, 2), (1, 5, 7.0, 2)]
        scores = OwnRecency(History(listens_of(rows), AS_OF)).scores(np.array([0, 1]))
        assert scores == pytest.approx(np.array([[1 / 2, 1 / 5], [1 / 8, 1 / 4]]))


class TestPopular:
    def test_one_listen_in_the_window_outweighs_many_old_ones(self) -> None:
        rows = [(u, 1, 40.0 + u, u) for u in range(9)] + [(0, 2, 5.0, 20), (1, 3, 5.0, 21), (2, 3, 35.0, 22)]
        history = History(listens_of(rows), AS_OF)
        listed = lists_of(
            Popular(history, PopularConfig(window_days=30.0)), history, [UNKNOWN_USER], slate=Slate.FOR_YOU
        )
        assert listed["track_key"].tolist() == [3, 2, 1]


class TestSessionCooccurrence:
    def test_a_checkerboard_user_is_offered_the_missing_track_of_its_colour(self) -> None:
        history = History(checkerboard(), AS_OF)
        source = SessionCooccurrence(history, SessionCooccurrenceConfig())
        listed = lists_of(source, history, list(range(20)), slate=Slate.DISCOVER)
        assert listed["track_key"].tolist() == listed["user_key"].tolist() == list(range(20))

    def test_the_score_is_decayed_plays_times_shrunk_conditional_probability(self) -> None:
        rows = [(0, 1, 100.0, 10), (1, 1, 0.5, 11), (1, 2, 0.5, 11), (2, 1, 0.5, 12)]
        history = History(listens_of(rows), AS_OF)
        config = SessionCooccurrenceConfig(play_decay_days=100.0, session_decay_days=1e12, shrinkage=3.0)
        score = SessionCooccurrence(history, config).scores(np.array([0]))[0]
        # Track 1 is in two sessions of one track (weight 1) and in one of two (1/sqrt 2), which it shares with 2.
        assert score[1] == pytest.approx(np.exp(-1) * np.sqrt(0.5) / (2 + np.sqrt(0.5) + 3.0), rel=1e-5)
        assert score[0] == ABSENT

    @pytest.mark.parametrize("block", [1, 7])
    def test_the_block_of_tracks_worked_on_does_not_change_a_bit(
        self, monkeypatch: pytest.MonkeyPatch, block: int
    ) -> None:
        history, config = History(random_listens(), AS_OF), SessionCooccurrenceConfig()
        users = np.arange(len(history.users))
        whole = SessionCooccurrence(history, config).scores(users)
        monkeypatch.setattr("assets.candidates.session_cooccurrence._BLOCK", block)
        assert np.array_equal(SessionCooccurrence(history, config).scores(users), whole)
        assert (whole > 0).any()

    def test_only_the_likeliest_neighbours_are_kept(self) -> None:
        rows = [(0, 1, 1.0, 10), (1, 1, 1.0, 11), (1, 2, 1.0, 11), (2, 1, 1.0, 12), (2, 3, 1.0, 12)]
        rows += [(3, 1, 1.0, 13), (3, 3, 1.0, 13)]
        history = History(listens_of(rows), AS_OF)
        scores = SessionCooccurrence(history, SessionCooccurrenceConfig(neighbours=1)).scores(np.array([0]))[0]
        assert scores[1] == ABSENT
        assert scores[2] > 0


def fitted_als(history: History, config: AlsConfig) -> Als:
    return Als(history, config, fit_track_vectors(history, config))


class TestAls:
    def test_a_checkerboard_user_is_offered_the_missing_track_of_its_colour(self) -> None:
        history = History(checkerboard(), AS_OF)
        # Two colours, two factors: a well-posed problem, so the answer holds for any seed and any CPU's BLAS.
        source = fitted_als(history, AlsConfig(factors=2, regularization=1.0))
        listed = lists_of(source, history, list(range(20)), slate=Slate.DISCOVER, k=1)
        assert listed["track_key"].tolist() == list(range(20))

    def test_another_seed_starts_from_other_factors(self) -> None:
        history = History(random_listens(), AS_OF)
        first, second = (fitted_als(history, AlsConfig(factors=8, iterations=1, seed=seed)) for seed in (1, 2))
        assert not np.array_equal(first.scores(np.array([0])), second.scores(np.array([0])))

    def test_the_number_of_threads_does_not_change_a_bit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        history = History(random_listens(), AS_OF)
        scores = []
        for threads in ("1", "2"):
            monkeypatch.setenv("AUDOTICS_THREADS", threads)
            scores.append(fitted_als(history, AlsConfig(factors=16)).scores(np.arange(len(history.users))))
        assert np.array_equal(*scores)

    def test_it_is_made_where_its_library_has_no_threads_of_blas_to_warn_of(
        self, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
    ) -> None:
        # The library warns once a process.
        monkeypatch.setattr("implicit.utils._checked_blas_config", False)
        with threadpool_limits(2, "blas"):
            fitted_als(History(random_listens(), AS_OF), AlsConfig(factors=8, iterations=1))
        assert [str(warning.message) for warning in recwarn if "BLAS" in str(warning.message)] == []

    def test_the_taste_of_last_week_outweighs_that_of_last_year(self) -> None:
        rows = [(u, t, 50.0, u) for u in range(2, 22) for t in range(10) if u % 2 == t % 2]
        rows += [(0, 0, 1.0, 90), (0, 2, 1.0, 90), (0, 1, 360.0, 91), (0, 3, 360.0, 91)]
        history = History(listens_of(rows), AS_OF)
        source = fitted_als(history, AlsConfig(factors=2, alpha=1.0, regularization=1.0))
        listed = lists_of(source, history, [0], slate=Slate.DISCOVER, k=3)
        assert set(listed["track_key"]) == {4, 6, 8}
