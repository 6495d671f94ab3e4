"""Candidate sources: what every source must hold to, and tiny checkerboards with a known right answer."""

from abc import ABC, abstractmethod
from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.candidates.als import Als, AlsConfig
from assets.candidates.history import SECONDS_PER_DAY, History, Listens, epoch_seconds
from assets.candidates.own_tracks import OwnRecency, OwnTracks, OwnTracksConfig
from assets.candidates.pool import Sources
from assets.candidates.popular import Popular, PopularConfig
from assets.candidates.session_cooccurrence import SessionCooccurrence, SessionCooccurrenceConfig
from assets.candidates.source import ABSENT, CandidateSource
from assets.ranker.slates import Slate

AS_OF = date(2020, 3, 1)
UNKNOWN_USER = 77_777


def listens_of(rows: list[tuple[int, int, float, int]]) -> Listens:
    """Listens from (user_key, track_key, age in days, session_key)."""
    frame = pd.DataFrame(rows, columns=["user_key", "track_key", "age", "session_key"])
    frame["listened_at"] = (epoch_seconds(AS_OF) - frame["age"] * SECONDS_PER_DAY).astype(np.int64)
    return Listens.from_frame(frame)


def checkerboard(users: int = 20, tracks: int = 20) -> Listens:
    """User u hears every track of its own parity but one: track u (u + 0), in one session ten days ago."""
    pairs = [(u, t) for u in range(users) for t in range(tracks) if u % 2 == t % 2 and u != t]
    return listens_of([(u, t, 10.0 - t / 1000, u) for u, t in pairs])


def random_listens(seed: int = 5) -> Listens:
    """400 listens of 12 users and 60 tracks with gaps in both key spaces."""
    draw = np.random.default_rng(seed)
    users, tracks = draw.integers(0, 12, 400) * 3 + 1, (draw.zipf(1.5, 400) % 60) * 7 + 2
    sessions = users * 10 + draw.integers(0, 4, 400)
    ages = draw.uniform(0.01, 200, 400)
    return listens_of(list(zip(users.tolist(), tracks.tolist(), ages.tolist(), sessions.tolist(), strict=True)))


def lists_of(source: CandidateSource, history: History, users: list[int], slate: Slate, k: int = 10) -> pd.DataFrame:
    return Sources(history, {source.name: lambda: source}, {source.name: k}).lists(
        source.name, np.array(users), slate, k
    )


class SourceConformance(ABC):
    """Inherited by the tests of every source."""

    @abstractmethod
    def fit(self, history: History) -> CandidateSource: ...

    @pytest.fixture
    def history(self) -> History:
        return History(random_listens(), AS_OF)

    @pytest.fixture
    def source(self, history: History) -> CandidateSource:
        return self.fit(history)

    def test_scores_have_a_row_per_user_and_a_column_per_track(self, source: CandidateSource, history: History) -> None:
        scores = source.scores(np.array([0, 3, -1]))
        assert scores.shape == (3, len(history.tracks))
        assert scores.dtype == np.float32
        assert not np.isnan(scores).any()

    def test_what_a_caller_does_to_the_scores_does_not_reach_the_source(self, source: CandidateSource) -> None:
        before = source.scores(np.array([0, 1]))
        source.scores(np.array([0, 1]))[:] = ABSENT
        assert np.array_equal(source.scores(np.array([0, 1])), before)

    def test_lists_of_discoveries_hold_nothing_heard(self, source: CandidateSource, history: History) -> None:
        listed = lists_of(source, history, history.users.tolist(), slate=Slate.DISCOVER, k=100)
        heard = set(zip(*(part.tolist() for part in pairs_heard(history)), strict=True))
        assert heard.isdisjoint(zip(listed["user_key"], listed["track_key"], strict=True))

    def test_lists_to_rediscover_hold_only_what_was_heard_over_60_days_ago(
        self, source: CandidateSource, history: History
    ) -> None:
        listed = lists_of(source, history, history.users.tolist(), slate=Slate.REDISCOVER, k=100)
        offered = lists_of(source, history, history.users.tolist(), slate=Slate.FOR_YOU, k=1000)
        heard = pd.DataFrame(
            {
                "user_key": history.users[history.user_code],
                "track_key": history.tracks[history.track_code],
                "age": history.age_days,
            }
        )
        latest = heard.groupby(["user_key", "track_key"], as_index=False)["age"].min()
        forgotten = offered.merge(latest[latest["age"] > 60])
        assert len(forgotten) > 10
        pd.testing.assert_frame_equal(
            listed[["user_key", "track_key", "score"]], forgotten[["user_key", "track_key", "score"]]
        )

    def test_lists_are_sorted_by_score_with_ranks_from_one_and_no_track_twice(
        self, source: CandidateSource, history: History
    ) -> None:
        listed = lists_of(source, history, history.users.tolist(), slate=Slate.FOR_YOU, k=7)
        assert not listed.duplicated(["user_key", "track_key"]).any()
        assert set(listed["user_key"]) == set(history.users.tolist())
        for _, one in listed.groupby("user_key"):
            assert one["rank"].tolist() == list(range(1, len(one) + 1))
            assert len(one) <= 7
            assert (one["score"].diff().dropna() <= 0).all()

    def test_the_same_history_and_config_give_the_same_scores(self, source: CandidateSource, history: History) -> None:
        users = np.arange(len(history.users))
        assert np.array_equal(source.scores(users), self.fit(history).scores(users))

    def test_scores_of_a_user_do_not_depend_on_who_else_is_asked_for(
        self, source: CandidateSource, history: History
    ) -> None:
        together = source.scores(np.arange(len(history.users)))
        alone = source.scores(np.array([4]))
        # BLAS may block a product of another shape differently, in the last bits only.
        np.testing.assert_allclose(together[4], alone[0], rtol=1e-5, atol=1e-6)

    def test_an_unknown_user_is_offered_nothing_or_what_is_popular(
        self, source: CandidateSource, history: History
    ) -> None:
        listed = lists_of(source, history, [UNKNOWN_USER], slate=Slate.FOR_YOU)
        if source.name in ("popular", "trending"):
            popular = lists_of(source, history, [int(history.users[0])], slate=Slate.FOR_YOU)
            assert listed["track_key"].tolist() == popular["track_key"].tolist()
        else:
            assert listed.empty

    def test_no_users_give_an_empty_list(self, source: CandidateSource, history: History) -> None:
        assert lists_of(source, history, [], slate=Slate.FOR_YOU).empty


class CheckerboardConformance(SourceConformance):
    """Inherited by the tests of sources that learn from what is played together."""

    def test_a_checkerboard_user_is_offered_the_missing_track_of_its_colour(self) -> None:
        history = History(checkerboard(), AS_OF)
        listed = lists_of(self.fit(history), history, list(range(20)), slate=Slate.DISCOVER, k=1)
        assert listed["track_key"].tolist() == listed["user_key"].tolist() == list(range(20))


def pairs_heard(history: History) -> tuple[np.ndarray, np.ndarray]:
    heard = history.heard.tocoo()
    return history.users[heard.row], history.tracks[heard.col]


class TestOwnTracks(SourceConformance):
    def fit(self, history: History) -> CandidateSource:
        return OwnTracks(history, OwnTracksConfig())

    def test_the_score_is_the_sum_of_decayed_listens(self) -> None:
        history = History(listens_of([(0, 5, 60.0, 0), (0, 5, 120.0, 1), (0, 9, 60.0, 0), (1, 9, 1.0, 2)]), AS_OF)
        scores = OwnTracks(history, OwnTracksConfig(decay_days=60.0)).scores(np.array([0, 1]))
        assert scores[0] == pytest.approx([np.exp(-1) + np.exp(-2), np.exp(-1)])
        assert scores[1].tolist() == [ABSENT, pytest.approx(np.exp(-1 / 60))]


class TestOwnRecency(SourceConformance):
    def fit(self, history: History) -> CandidateSource:
        return OwnRecency(history)

    def test_the_latest_listen_of_each_track_decides(self) -> None:
        rows = [(0, 5, 9.0, 0), (0, 5, 1.0, 1), (0, 8, 4.0, 0), (1, 8, 3.0, 2), (1, 5, 7.0, 2)]
        scores = OwnRecency(History(listens_of(rows), AS_OF)).scores(np.array([0, 1]))
        assert scores == pytest.approx(np.array([[1 / 2, 1 / 5], [1 / 8, 1 / 4]]))


class TestPopular(SourceConformance):
    def fit(self, history: History) -> CandidateSource:
        return Popular(history, PopularConfig())

    def test_one_listen_in_the_window_outweighs_many_old_ones(self) -> None:
        rows = [(u, 1, 40.0 + u, u) for u in range(9)] + [(0, 2, 5.0, 20), (1, 3, 5.0, 21), (2, 3, 35.0, 22)]
        history = History(listens_of(rows), AS_OF)
        listed = lists_of(
            Popular(history, PopularConfig(window_days=30.0)), history, [UNKNOWN_USER], slate=Slate.FOR_YOU
        )
        assert listed["track_key"].tolist() == [3, 2, 1]


class TestSessionCooccurrence(SourceConformance):
    def fit(self, history: History) -> CandidateSource:
        return SessionCooccurrence(history, SessionCooccurrenceConfig())

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
        self, monkeypatch: pytest.MonkeyPatch, history: History, block: int
    ) -> None:
        users = np.arange(len(history.users))
        whole = self.fit(history).scores(users)
        monkeypatch.setattr("assets.candidates.session_cooccurrence._BLOCK", block)
        assert np.array_equal(self.fit(history).scores(users), whole)
        assert (whole > 0).any()

    def test_only_the_likeliest_neighbours_are_kept(self) -> None:
        rows = [(0, 1, 1.0, 10), (1, 1, 1.0, 11), (1, 2, 1.0, 11), (2, 1, 1.0, 12), (2, 3, 1.0, 12)]
        rows += [(3, 1, 1.0, 13), (3, 3, 1.0, 13)]
        history = History(listens_of(rows), AS_OF)
        scores = SessionCooccurrence(history, SessionCooccurrenceConfig(neighbours=1)).scores(np.array([0]))[0]
        assert scores[1] == ABSENT
        assert scores[2] > 0


class TestAls(SourceConformance):
    def fit(self, history: History) -> CandidateSource:
        return Als(history, AlsConfig(factors=8, regularization=1.0))

    def test_a_checkerboard_user_is_offered_the_missing_track_of_its_colour(self) -> None:
        history = History(checkerboard(), AS_OF)
        # Two colours, two factors: a well-posed problem, so the answer holds for any seed and any CPU's BLAS.
        source = Als(history, AlsConfig(factors=2, regularization=1.0))
        listed = lists_of(source, history, list(range(20)), slate=Slate.DISCOVER, k=1)
        assert listed["track_key"].tolist() == list(range(20))

    def test_another_seed_starts_from_other_factors(self) -> None:
        history = History(random_listens(), AS_OF)
        first, second = (Als(history, AlsConfig(factors=8, iterations=1, seed=seed)) for seed in (1, 2))
        assert not np.array_equal(first.scores(np.array([0])), second.scores(np.array([0])))

    def test_the_number_of_threads_does_not_change_a_bit(self) -> None:
        history = History(random_listens(), AS_OF)
        one, two = (Als(history, AlsConfig(factors=16, threads=threads)) for threads in (1, 2))
        users = np.arange(len(history.users))
        assert np.array_equal(one.scores(users), two.scores(users))

    def test_the_taste_of_last_week_outweighs_that_of_last_year(self) -> None:
        rows = [(u, t, 50.0, u) for u in range(2, 22) for t in range(10) if u % 2 == t % 2]
        rows += [(0, 0, 1.0, 90), (0, 2, 1.0, 90), (0, 1, 360.0, 91), (0, 3, 360.0, 91)]
        history = History(listens_of(rows), AS_OF)
        source = Als(history, AlsConfig(factors=2, alpha=1.0, regularization=1.0))
        listed = lists_of(source, history, [0], slate=Slate.DISCOVER, k=3)
        assert set(listed["track_key"]) == {4, 6, 8}
