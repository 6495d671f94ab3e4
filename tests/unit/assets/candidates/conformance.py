"""What every candidate source must hold to, and tiny checkerboards with a known right answer."""

from abc import ABC, abstractmethod
from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.candidates.history import History
from assets.candidates.pool import Sources
from assets.candidates.source import ABSENT, CandidateSource
from assets.listens import SECONDS_PER_DAY, Listens, epoch_seconds
from assets.slates import Slate

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

    def test_who_last_listened_twenty_years_ago_is_offered_something_like_who_did_this_month(
        self, history: History
    ) -> None:
        gone = history.users[::2].tolist()
        offered = []
        for age in (25.0, 20 * 365.25):
            pairs = zip(*(part.tolist() for part in pairs_heard(history)), strict=True)
            rows = [(user, track, age if user in gone else 3.0, user) for user, track in pairs]
            aged = History(listens_of(rows), AS_OF)
            offered.append(set(lists_of(self.fit(aged), aged, gone, slate=Slate.FOR_YOU)["user_key"]))
        assert offered == [set(gone), set(gone)]

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
