"""Similar tracks and artists: what every source of similarity must hold to, and tiny histories with a known answer."""

from abc import ABC, abstractmethod
from itertools import pairwise

import numpy as np
import pytest

from assets.candidates.als import AlsConfig, fit_track_vectors
from assets.candidates.history import History
from assets.candidates.session_cooccurrence import session_weights
from assets.listens import Floats, Ints
from assets.similar.in_factors import InFactors
from assets.similar.lists import similar_rows
from assets.similar.sources import (
    Blend,
    InSessions,
    Item,
    PlainCosine,
    SimilarConfig,
    SimilaritySource,
    nearest,
    of_artists,
    similar,
)
from tests.unit.assets.candidates.small_listens import AS_OF, checkerboard, listens_of, random_listens

DEFAULT = SimilarConfig()
FEW_FACTORS = AlsConfig(factors=8, regularization=1.0)


class Given:
    """A source whose scores are given, item by item."""

    name = "given"

    def __init__(self, scores: list[list[float]]) -> None:
        self._scores = np.array(scores, np.float32)

    def scores(self, codes: Ints) -> Floats:
        return self._scores[codes].copy()


class SimilarityConformance(ABC):
    """Inherited by the tests of every source."""

    @abstractmethod
    def fit(self, history: History) -> SimilaritySource: ...

    @pytest.fixture
    def history(self) -> History:
        return History(random_listens(), AS_OF)

    @pytest.fixture
    def source(self, history: History) -> SimilaritySource:
        return self.fit(history)

    def test_scores_have_a_row_per_item_asked_for_and_a_column_per_item(
        self, source: SimilaritySource, history: History
    ) -> None:
        scores = source.scores(np.array([0, 3]))
        assert (scores.shape, scores.dtype) == ((2, len(history.tracks)), np.float32)
        assert np.isfinite(scores).all()

    def test_what_a_caller_does_to_the_scores_does_not_reach_the_source(self, source: SimilaritySource) -> None:
        before = source.scores(np.array([0, 1]))
        source.scores(np.array([0, 1]))[:] = -1
        assert np.array_equal(source.scores(np.array([0, 1])), before)

    def test_the_same_history_and_config_give_the_same_lists(self, source: SimilaritySource, history: History) -> None:
        codes = np.arange(len(history.tracks))
        one, other = (nearest(each, codes, 10, len(codes)) for each in (source, self.fit(history)))
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1], equal_nan=True)

    def test_nothing_is_in_its_own_list_or_twice_in_one_and_scores_fall(
        self, source: SimilaritySource, history: History
    ) -> None:
        codes = np.arange(len(history.tracks))
        found, scores = nearest(source, codes, 10, len(codes))
        assert (found >= 0).sum() > 100
        for code, listed, score in zip(codes, found.tolist(), scores.tolist(), strict=True):
            given = [each for each in listed if each >= 0]
            assert listed == given + [-1] * (10 - len(given))
            assert code not in given
            assert len(set(given)) == len(given)
            assert all(a > b or (a == b and i < j) for (a, i), (b, j) in pairwise(zip(score, given, strict=False)))
            assert np.isnan(score[len(given) :]).all()

    def test_on_a_checkerboard_only_tracks_of_the_same_colour_are_alike(self) -> None:
        history = History(checkerboard(), AS_OF)
        codes = np.arange(20)
        found, _ = nearest(self.checkerboard_source(history), codes, 9, 20)
        assert [set(row) for row in found.tolist()] == [set(range(code % 2, 20, 2)) - {code} for code in range(20)]

    def checkerboard_source(self, history: History) -> SimilaritySource:
        return self.fit(history)


class TestInSessions(SimilarityConformance):
    def fit(self, history: History) -> SimilaritySource:
        return InSessions(history, DEFAULT)

    def test_the_score_is_the_weight_of_shared_sessions_over_a_power_of_the_others_weight(self) -> None:
        rows = [(0, 1, 0.5, 10), (0, 2, 0.5, 10), (1, 2, 0.5, 11), (2, 1, 0.5, 12), (2, 2, 0.5, 12), (2, 3, 0.5, 12)]
        history = History(listens_of(rows), AS_OF)
        config = SimilarConfig(session_decay_days=1e12, session_popularity=0.5)
        scores = InSessions(history, config).scores(np.array([0]))[0]
        # Sessions weigh 1/sqrt(2), 1 and 1/sqrt(3); track 1 shares the first and the last with 2, the last with 3.
        of_two = 1 / np.sqrt(2) + 1 + 1 / np.sqrt(3)
        assert scores[1] == pytest.approx((1 / np.sqrt(2) + 1 / np.sqrt(3)) / np.sqrt(of_two))
        assert scores[2] == pytest.approx((1 / np.sqrt(3)) / np.sqrt(1 / np.sqrt(3)))

    def test_an_old_session_counts_less(self) -> None:
        rows = [(0, 1, 0.0, 10), (0, 2, 0.0, 10), (1, 1, 70.0, 11), (1, 3, 70.0, 11)]
        history = History(listens_of([(u, t, age + 0.1, s) for u, t, age, s in rows]), AS_OF)
        config = SimilarConfig(session_decay_days=70.0, session_popularity=0.0)
        scores = InSessions(history, config).scores(np.array([0]))[0]
        assert scores[2] / scores[1] == pytest.approx(np.exp(-1), rel=1e-5)

    def test_the_weights_are_those_of_the_candidate_source_but_of_a_listener_not_above_one(self) -> None:
        history = History(random_listens(), AS_OF)
        newest = np.full(len(history.sessions), np.inf)
        np.minimum.at(newest, history.session_code, history.age_days)
        decay = np.exp(-newest / 150.0)
        # Sessions of random_listens are named after their users.
        of_user = history.sessions // 10
        total = np.array([max(decay[of_user == user].sum(), 1.0) for user in of_user])
        assert (total > 1).any()
        holds = session_weights(history.session_code, history.track_code, decay / total, len(history.tracks))
        together = (holds.T @ holds).toarray()
        config = SimilarConfig(session_decay_days=150.0, session_popularity=0.0)
        scores = InSessions(history, config).scores(np.arange(len(history.tracks)))
        np.testing.assert_allclose(scores, together, rtol=1e-5, atol=1e-7)


class TestInFactors(SimilarityConformance):
    def fit(self, history: History) -> SimilaritySource:
        return InFactors(fit_track_vectors(history, FEW_FACTORS))

    def checkerboard_source(self, history: History) -> SimilaritySource:
        # Two colours, two factors: a well-posed problem, so the answer holds on any CPU.
        return InFactors(fit_track_vectors(history, AlsConfig(factors=2, regularization=1.0)))

    @pytest.mark.parametrize("popularity", [0.0, 0.5, 1.0])
    def test_the_score_is_the_cosine_times_a_power_of_the_others_length(self, popularity: float) -> None:
        history = History(random_listens(), AS_OF)
        vectors = fit_track_vectors(history, FEW_FACTORS)
        score = InFactors(vectors, popularity).scores(np.array([3]))[0, 7]
        lengths = np.linalg.norm(vectors, axis=1)
        cosine = vectors[3] @ vectors[7] / lengths[3] / lengths[7]
        assert score == pytest.approx(cosine * lengths[7] ** (1 - popularity), rel=1e-4)


class TestPlainCosine(SimilarityConformance):
    def fit(self, history: History) -> SimilaritySource:
        return PlainCosine(history)

    def test_the_score_is_shared_listeners_over_the_root_of_both_numbers_of_listeners(self) -> None:
        heard = [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (3, 2), (3, 3), (0, 1)]
        history = History(listens_of([(u, t, 1.0, n) for n, (u, t) in enumerate(heard)]), AS_OF)
        assert PlainCosine(history).scores(np.array([0]))[0] == pytest.approx([1, 2 / 3, 0])


class TestBlend(SimilarityConformance):
    def fit(self, history: History) -> SimilaritySource:
        return similar(history, DEFAULT)

    def test_the_score_is_the_sum_of_reciprocal_ranks_of_what_each_source_puts_forward(self) -> None:
        one = Given([[9, 5, 4, 3], [0, 0, 0, 0], [1, 1, 1, 1], [1, 2, 0, -1]])
        other = Given([[0, 0, 7, 1], [0, 0, 0, 0], [0, 0, 0, 0], [4, 4, 0, 9]])
        blend = Blend([one, other], heard_by_all(4), SimilarConfig(considered=2, rank_offset=10.0))
        first, second, third, fourth = blend.scores(np.arange(4))
        # Itself takes no rank; of item 3's three in `one`, two are considered.
        assert first == pytest.approx([0, 1 / 11, 1 / 12 + 1 / 11, 1 / 12])
        assert second.tolist() == [0, 0, 0, 0]
        assert third == pytest.approx([1 / 11, 1 / 12, 0, 0])
        assert fourth == pytest.approx([1 / 12 + 1 / 11, 1 / 11 + 1 / 12, 0, 0])

    def test_what_too_few_heard_as_well_takes_no_place(self) -> None:
        heard = [(user, track) for track in range(3) for user in range(3)] + [(0, 3), (1, 3)]
        history = History(listens_of([(u, t, 1.0, u) for u, t in heard]), AS_OF)
        blend = Blend([Given([[0, 1, 2, 9]] * 4)], history, SimilarConfig(considered=1, rank_offset=10.0))
        assert blend.scores(np.array([0]))[0] == pytest.approx([0, 0, 1 / 11, 0])
        assert blend.scores(np.array([3]))[0].tolist() == [0, 0, 0, 0]


def heard_by_all(tracks: int) -> History:
    """Three listeners heard every track."""
    return History(listens_of([(user, track, 1.0, user) for user in range(3) for track in range(tracks)]), AS_OF)


def test_equals_go_to_the_lower_code_and_a_list_is_as_short_as_what_is_known() -> None:
    found, scores = nearest(Given([[9, 2, 2, 5], [0, 9, 0, 0], [1, 1, 9, 1], [0, 0, 1, 9]]), np.arange(4), 3, 4)
    assert found.tolist() == [[3, 1, 2], [-1, -1, -1], [0, 1, 3], [2, -1, -1]]
    assert scores[0].tolist() == [5, 2, 2]
    assert np.isnan(scores[1]).all()


@pytest.mark.parametrize("rows_per_block", [1, 7])
def test_lists_do_not_depend_on_how_many_are_made_at_a_time(
    rows_per_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(random_listens(), AS_OF)
    codes = np.arange(len(history.tracks))
    source = InSessions(history, DEFAULT)
    whole = nearest(source, codes, 10, len(codes))
    monkeypatch.setattr("assets.similar.sources._BLOCK_BYTES", 4 * len(codes) * rows_per_block)
    assert np.array_equal(nearest(source, codes, 10, len(codes))[0], whole[0])


def test_artists_take_the_place_of_their_tracks_and_what_has_none_says_nothing() -> None:
    listens = listens_of([(0, 5, 3.0, 1), (0, 6, 2.0, 1), (0, 7, 1.0, 2), (1, 5, 1.0, 3)])
    mapped = of_artists(listens, np.array([5, 7, 9]), np.array([50, 40, 90]))
    assert mapped.track_key.tolist() == [50, 40, 50]
    assert (mapped.user_key.tolist(), mapped.session_key.tolist()) == ([0, 0, 1], [1, 2, 3])
    assert len(mapped.listened_at) == 3
    assert len(of_artists(listens, np.empty(0, np.int64), np.empty(0, np.int64))) == 0


def test_rows_of_the_table_hold_keys_from_rank_one_on_whatever_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(random_listens(), AS_OF)
    config = SimilarConfig(length=3)
    found, scores = nearest(similar(history, config), np.arange(len(history.tracks)), 3, len(history.tracks))
    monkeypatch.setattr("assets.similar.lists._ITEMS_PER_BATCH", 17)
    rows = [row for table in similar_rows(history, Item.TRACK, config) for row in table.to_pylist()]
    assert [list(row) for row in rows[:1]] == [["as_of", "track_key", "rank", "similar_track_key", "score"]]
    assert {row["as_of"] for row in rows} == {AS_OF}
    expected = [
        (int(history.tracks[code]), place + 1, int(history.tracks[found[code, place]]))
        for code in range(len(found))
        for place in range(3)
        if found[code, place] >= 0
    ]
    assert [(row["track_key"], row["rank"], row["similar_track_key"]) for row in rows] == expected
    np.testing.assert_allclose([row["score"] for row in rows], scores[found >= 0], rtol=1e-5)


def test_one_track_alone_is_like_nothing() -> None:
    history = History(listens_of([(0, 5, 3.0, 1), (1, 5, 2.0, 2)]), AS_OF)
    assert sum(table.num_rows for table in similar_rows(history, Item.TRACK, DEFAULT)) == 0
