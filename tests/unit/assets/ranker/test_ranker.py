"""Labelled folds, training and scoring."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from assets.candidates.als import AlsConfig
from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.features.dates import fold_dates
from assets.features.join import (
    FeatureMatrix,
    join_features,
)
from assets.listens import SECONDS_PER_DAY, Listens, epoch_seconds
from assets.metrics.protocol import evaluate, per_user_metrics, relevant_tracks
from assets.ranker.dataset import Fold
from assets.ranker.lists import ListRules
from assets.ranker.scoring import predict, rank
from assets.ranker.training import RankerConfig, can_learn, train
from assets.slates import HORIZON_DAYS, Slate
from tests.feature_frames import no_marts
from tests.folds import labelled_fold
from warehouse.errors import AudoticsError

AS_OF = date(2020, 3, 1)
CONFIG = RankerConfig(trees=20, min_child_samples=5, leaves=7, learning_rate=0.1, negatives=1.0)
NO_RULES = ListRules.none()


def tastes() -> Listens:
    """60 users over 120 days; a user plays tracks of its own parity, mostly the low ones."""
    draw = np.random.default_rng(4)
    user = draw.integers(0, 60, 6000)
    track = 2 * np.minimum(draw.geometric(0.06, 6000), 60) + user % 2
    day = draw.integers(0, 120, 6000)
    return Listens.from_frame(
        pd.DataFrame(
            {
                "user_key": user,
                "track_key": track,
                "listened_at": epoch_seconds(AS_OF - timedelta(days=106)) + day * SECONDS_PER_DAY + user,
                "session_key": user * 1000 + day,
            }
        )
    )


class World:
    """Two folds and a later as_of of the same listens."""

    def __init__(self) -> None:
        self.listens = tastes()
        self.folds = [self.fold(as_of, 1.0) for as_of in fold_dates(AS_OF, 2)]

    def sources(self, as_of: date) -> Sources:
        return fit_sources(self.listens.before(as_of), as_of, SourcesConfig(configs={"als": AlsConfig(factors=4)}))

    def relevant(self, as_of: date) -> pd.DataFrame:
        horizon = self.listens.between(as_of, as_of + timedelta(days=HORIZON_DAYS))
        return relevant_tracks(self.listens.before(as_of), horizon, as_of, Slate.FOR_YOU)

    def fold(self, as_of: date, negatives: float, seed: int = 1) -> Fold:
        sources, relevant = self.sources(as_of), self.relevant(as_of)
        return labelled_fold(as_of, Slate.FOR_YOU, sources, relevant, no_marts, negatives, seed, batch=25)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_a_fold_labels_exactly_the_candidates_that_were_listened_to(world: World) -> None:
    as_of = world.folds[0].as_of
    relevant = world.relevant(as_of)
    pool = world.sources(as_of).candidates(np.unique(relevant["user_key"].to_numpy()), Slate.FOR_YOU)
    expected = pool.merge(relevant.assign(label=1), how="left")["label"].fillna(0)
    assert world.folds[0].user_key.tolist() == pool["user_key"].tolist()
    assert world.folds[0].label.tolist() == expected.tolist()


def test_down_sampling_keeps_every_positive_and_its_share_of_negatives(world: World) -> None:
    whole = world.folds[0]
    part = world.fold(whole.as_of, 0.25)
    negatives = len(whole.label) - whole.label.sum()
    assert part.label.sum() == whole.label.sum()
    assert len(part.label) - part.label.sum() == pytest.approx(0.25 * negatives, rel=0.1)


def test_down_sampling_repeats_by_seed(world: World) -> None:
    as_of = world.folds[0].as_of
    first, again, other = (world.fold(as_of, 0.25, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.x, again.x, equal_nan=True)
    assert not np.array_equal(first.user_key, other.user_key)


def test_a_fold_nobody_listens_after_is_refused(world: World) -> None:
    nothing = world.relevant(AS_OF)[:0]
    with pytest.raises(ValueError, match="no user has a relevant track in the 14 days from 2020-03-01"):
        labelled_fold(AS_OF, Slate.FOR_YOU, world.sources(AS_OF), nothing, no_marts, 1.0, 1)


def test_a_fold_survives_its_stored_form(world: World) -> None:
    fold = world.folds[0]
    back = Fold.from_frame(fold.as_of, fold.to_frame())
    assert back.names == fold.names
    assert np.array_equal(back.x, fold.x, equal_nan=True)
    assert np.array_equal(back.label, fold.label)
    assert np.array_equal(back.user_key, fold.user_key)


def test_training_twice_gives_the_same_model_text(world: World) -> None:
    assert train(world.folds, CONFIG).text == train(world.folds, CONFIG).text


def test_the_number_of_threads_changes_neither_a_model_nor_a_score(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, scores = [], []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("AUDOTICS_THREADS", threads)
        models.append(train(world.folds, CONFIG))
        scores.append(predict(models[-1], world.folds[0].x))
    assert models[0] == models[1] == models[2]
    assert np.array_equal(scores[0], scores[1]) and np.array_equal(scores[0], scores[2])


def test_a_model_says_what_it_learnt_from(world: World) -> None:
    model = train(world.folds, CONFIG)
    assert model.fold_dates == fold_dates(AS_OF, 2)
    assert model.rows == sum(len(fold.label) for fold in world.folds)
    assert model.positives == sum(int(fold.label.sum()) for fold in world.folds)
    assert set(model.gain) == set(model.names)
    assert sum(model.gain.values()) == pytest.approx(1.0, abs=1e-4)


def test_the_weight_of_a_user_counts_in_training(world: World) -> None:
    assert train(world.folds, replace(CONFIG, user_weight=2.0)).text != train(world.folds, CONFIG).text


def test_folds_with_other_features_are_refused(world: World) -> None:
    first, second = world.folds
    with pytest.raises(ValueError, match=f"fold {second.as_of} has other features than fold {first.as_of}"):
        train([first, replace(second, names=second.names[::-1])], CONFIG)


def test_folds_without_a_positive_are_refused(world: World) -> None:
    fold = world.folds[0]
    nothing = replace(fold, label=np.zeros_like(fold.label))
    assert (can_learn([fold]), can_learn([fold, nothing])) == (True, True)
    assert (can_learn([nothing, nothing]), can_learn([])) == (False, False)
    with pytest.raises(ValueError, match="0 were listened to"):
        train([nothing], CONFIG)


def test_lists_follow_the_score_and_name_the_source_that_ranked_the_track_highest(world: World) -> None:
    pool = world.sources(AS_OF).candidates(np.array([3, 1], dtype=np.int32), Slate.FOR_YOU)
    model = train(world.folds, CONFIG)
    matrix = join_features(pool, no_marts(np.array([1, 3])))
    listed = rank(model, pool, matrix, NO_RULES, k=10)
    scored = pool.assign(predicted=np.asarray(model.booster.predict(matrix.values), np.float32))
    assert listed["user_key"].tolist() == [1] * 10 + [3] * 10
    assert listed["rank"].tolist() == [*range(1, 11)] * 2
    for user, one in listed.groupby("user_key"):
        best = scored[scored["user_key"] == user].sort_values("predicted", ascending=False, kind="stable")
        assert one["track_key"].tolist() == best["track_key"].head(10).tolist()
    joined = listed.merge(pool, on=["user_key", "track_key"])
    ranks = joined.filter(like="rank_").rename(columns=lambda name: name.removeprefix("rank_"))
    assert joined["source"].tolist() == ranks.idxmin(axis=1).tolist()


def test_scoring_refuses_when_a_feature_of_the_model_is_gone(world: World) -> None:
    model = train(world.folds, CONFIG)
    pool = world.sources(AS_OF).candidates(np.array([1], dtype=np.int32), Slate.FOR_YOU)
    matrix = join_features(pool, no_marts(np.array([1])))
    gone = matrix.names[-1]
    renamed = FeatureMatrix([*matrix.names[:-1], "moon_phase"], matrix.values)
    with pytest.raises(AudoticsError, match=gone):
        rank(model, pool, renamed, NO_RULES)


def test_scoring_leaves_out_features_the_model_does_not_know_whatever_their_order(world: World) -> None:
    model = train(world.folds, CONFIG)
    pool = world.sources(AS_OF).candidates(np.array([1], dtype=np.int32), Slate.FOR_YOU)
    matrix = join_features(pool, no_marts(np.array([1])))
    moon_phase = np.ones((len(matrix.values), 1), dtype=np.float32)
    more = FeatureMatrix(["moon_phase", *matrix.names[::-1]], np.hstack([moon_phase, matrix.values[:, ::-1]]))
    assert_frame_equal(rank(model, pool, matrix, NO_RULES), rank(model, pool, more, NO_RULES))


def test_a_trained_ranker_beats_popularity_where_tastes_differ(world: World) -> None:
    relevant = world.relevant(AS_OF)
    sources = world.sources(AS_OF)
    users = np.unique(relevant["user_key"].to_numpy())
    pool = sources.candidates(users, Slate.FOR_YOU)
    lists = {
        "ranker": rank(train(world.folds, CONFIG), pool, join_features(pool, no_marts(users)), NO_RULES),
        "popular": sources.lists("popular", users, False, 100),
    }
    paired = evaluate(lists, relevant).paired
    assert paired is not None
    assert paired["ci95"][0] > 0  # type: ignore[index]


@pytest.mark.slow
def test_rankers_trained_on_shuffled_labels_score_at_chance(world: World) -> None:
    relevant = world.relevant(AS_OF)
    users = np.unique(relevant["user_key"].to_numpy())
    pool = world.sources(AS_OF).candidates(users, Slate.FOR_YOU)
    matrix = join_features(pool, no_marts(users))

    def ndcg(lists: pd.DataFrame) -> float:
        return float(per_user_metrics(lists, relevant)[1]["ndcg@10"].mean())

    def shuffled(draw: np.random.Generator) -> list[Fold]:
        return [replace(fold, label=draw.permutation(fold.label)) for fold in world.folds]

    def any_order(draw: np.random.Generator) -> pd.DataFrame:
        return pool.iloc[draw.permutation(len(pool))].assign(rank=lambda rows: rows.groupby("user_key").cumcount() + 1)

    # What takes seconds to load, only the worker that needs it loads.
    from scipy.stats import ttest_ind

    draws = [np.random.default_rng(seed) for seed in range(16)]
    canaries = [ndcg(rank(train(shuffled(draw), CONFIG), pool, matrix, NO_RULES)) for draw in draws]
    chance = [ndcg(any_order(draw)) for draw in draws]
    low, high = ttest_ind(canaries, chance, equal_var=False).confidence_interval(0.99)
    assert low < 0 < high, (canaries, chance)
    ranker = ndcg(rank(train(world.folds, CONFIG), pool, matrix, NO_RULES))
    assert ranker > max(canaries)
    assert ranker - np.mean(chance) > 3 * (high - low), (
        "too few draws to tell chance from a ranker that knows something"
    )
