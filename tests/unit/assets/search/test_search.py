"""The search for training parameters: what it may see, what it measures, and when it chooses."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assets.features.dates import fold_dates
from assets.metrics.intervals import bootstrap_interval
from assets.metrics.protocol import HEADLINE
from assets.metrics.simultaneous import simultaneous_intervals
from assets.ranker.dataset import Fold
from assets.ranker.holdout import Holdout
from assets.ranker.judging import judge
from assets.ranker.lists import Listing, ListRules, ListsConfig
from assets.ranker.scoring import list_scores, predict
from assets.ranker.training import OBJECTIVES, RankerConfig, downsampled, train
from assets.ranker.training_set import StoredHoldout
from assets.recommendations.reasons import contributions
from assets.search.attempt import _curve, clean_folds
from assets.search.search import search
from assets.search.store import described_choice
from assets.search.trial import FEWEST_USERS, SearchConfig, Trial
from assets.search.validation import Validation, read_validation
from assets.slates import HORIZON_DAYS, Slate
from warehouse.lake import Lake

AS_OF = date(2026, 3, 2)
DATES = fold_dates(AS_OF, RankerConfig().folds)
NAMES = ["score_als", "rank_als", "noise"]
USERS, PER_USER = 40, 15
SMALL = SearchConfig(trials=6, most_trees=40, step=10, patience=2)


def rows(as_of: date, signal: float, users: int = USERS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and users of a date; the label follows the first feature as far as `signal` goes."""
    draw = np.random.default_rng(as_of.toordinal())
    x = draw.normal(size=(users * PER_USER, len(NAMES))).astype(np.float32)
    label = signal * x[:, 0] + draw.normal(size=len(x)) > 1
    return x, label, np.repeat(np.arange(users, dtype=np.int32), PER_USER)


def fold(as_of: date, signal: float = 3.0, users: int = USERS) -> Fold:
    x, label, user = rows(as_of, signal, users)
    return Fold(as_of, NAMES, x, label.astype(np.int8), user)


def validation(as_of: date, signal: float = 3.0) -> Validation:
    x, label, user = rows(as_of, signal)
    relevant = np.bincount(user, weights=label).astype(np.int64) + 1
    return Validation(as_of, holdout(x, label, user, relevant))


def holdout(x: np.ndarray, label: np.ndarray, user: np.ndarray, relevant: np.ndarray) -> Holdout:
    """Of users from 0 on, whose tracks have nothing in common."""
    track, nobody = np.arange(len(x)), np.full(len(x), -1)
    listing = Listing(user, nobody, track, np.zeros(len(x), bool), ListsConfig())
    users = np.arange(len(relevant), dtype=np.int32)
    return Holdout(NAMES, x, track, nobody, label, user.astype(np.int64), users, relevant, listing)


def searched(folds: list[Fold], validations: list[Validation], config: SearchConfig = SMALL) -> list[Trial]:
    trials = search(folds, validations, config, lambda number, ndcg, default: None)
    assert trials is not None
    return [replace(each, seconds=0.0) for each in trials]


def world(signal: float) -> tuple[list[Fold], list[Validation]]:
    """Folds so small that the default, with 200 rows and more in a leaf, learns nothing from them."""
    return [fold(day, signal, users=8) for day in DATES], [validation(day, signal) for day in DATES[:2]]


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return searched(*world(3.0))


def test_a_stored_fold_is_read_whole_or_for_some_users_the_same_ones_every_time(tmp_path: Path) -> None:
    import pyarrow as pa

    x, label, user = rows(AS_OF, 3.0)
    track = np.arange(len(user), dtype=np.int32)
    facts = {"artist_key": track, "recording": track.astype(np.int64), "hidden": label}
    keys = {"user_key": user, "track_key": track, **facts, "label": label, "relevant": user + 1}
    table = pa.Table.from_pandas(pd.DataFrame({**keys, **dict(zip(NAMES, x.T, strict=True))}), preserve_index=False)
    lake, stored = Lake(str(tmp_path)), StoredHoldout(AS_OF, "holdout/x.parquet")
    # Batches of users, later ones first, and one without anybody.
    middle = 20 * PER_USER
    lake.write_parquet(stored.path, [table.slice(middle), table.slice(0, 0), table.slice(0, middle)])
    read = read_validation(lake, stored, Slate.FOR_YOU, USERS)
    assert read is not None
    whole = read.holdout
    assert whole.users.tolist() == list(range(USERS)) and whole.names == NAMES
    assert np.array_equal(whole.x, x) and np.array_equal(whole.label, label) and np.array_equal(whole.position, user)
    assert whole.relevant.tolist() == list(range(1, USERS + 1))
    # What is hidden, here all that was listened to, is in no list.
    listed, _, _ = whole.listing.best(np.ones(len(x), np.float32))
    assert np.array_equal(np.sort(listed), np.flatnonzero(~label))
    some, again = (read_validation(lake, stored, Slate.FOR_YOU, 10) for _ in range(2))
    assert some is not None and again is not None
    drawn = some.holdout.users.tolist()
    assert len(set(drawn)) == 10 and drawn == again.holdout.users.tolist()
    assert np.array_equal(some.holdout.x, x[np.isin(user, drawn)])
    lake.write_parquet(stored.path, [table.slice(0, 0)])
    assert read_validation(lake, stored, Slate.FOR_YOU, 10) is None


def test_a_date_is_learnt_for_from_the_folds_that_were_over_by_then() -> None:
    folds = [fold(day) for day in DATES]
    newest, next_to_it = DATES[:2]
    assert [each.as_of for each in clean_folds(folds, newest, 6)] == DATES[2:]
    assert [each.as_of for each in clean_folds(folds, newest, 3)] == [newest - timedelta(days=14)]
    assert [each.as_of for each in clean_folds(folds, next_to_it, 6)] == DATES[3:]
    assert all(each.as_of + timedelta(days=HORIZON_DAYS) <= next_to_it for each in clean_folds(folds, next_to_it, 6))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_after_so_many_trees_a_trial_is_at_what_training_with_so_many_gives(objective: str) -> None:
    config = RankerConfig(objective=objective, min_child_samples=5, lambda_l2=0.1, learning_rate=0.1, trees=20)
    folds, whole = [fold(day) for day in DATES[2:]], validation(DATES[0])
    curve = _curve(folds, whole, config, [10, 20, 30], patience=3)
    assert list(curve) == [10, 20, 30]
    model = train(folds, config)
    expected = judge(whole.holdout, config, predict(model, whole.holdout.x)).metrics
    assert {metric: values.tolist() for metric, values in curve[20].items()} == {
        metric: values.tolist() for metric, values in expected.items()
    }
    assert curve[20][HEADLINE].tolist() != curve[10][HEADLINE].tolist()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scores_of_every_objective_are_positive_ordered_and_explained(objective: str) -> None:
    config = RankerConfig(objective=objective, min_child_samples=5, lambda_l2=0.1, learning_rate=0.1, trees=30)
    model = train([fold(day) for day in DATES], config)
    x, label, user = rows(AS_OF, 3.0)
    predicted, raw = predict(model, x), np.asarray(model.booster.predict(x, raw_score=True))
    score = list_scores(config, user, predicted)
    assert (score > 0).all() and (score <= 1).all()
    if config.probabilities:
        np.testing.assert_allclose(np.log(predicted / (1 - predicted)), raw, atol=1e-9)
        assert np.array_equal(score, predicted.astype(np.float32))
    else:
        best = raw.reshape(USERS, PER_USER).max(axis=1)
        np.testing.assert_allclose(np.log(score), raw - np.repeat(best, PER_USER), atol=1e-6)
    np.testing.assert_allclose(contributions(model, x).sum(axis=1), raw, atol=1e-9)
    # It has learnt what there was to learn, and a list that is spread over artists lists none of them higher for it.
    assert score[label].mean() > score[~label].mean() + 0.05
    one_artist = pd.DataFrame({"track_key": np.arange(PER_USER), "artist_key": 1, "title": None})
    rules = ListRules(one_artist, pd.DataFrame({"user_key": [], "item_kind": [], "item_key": []}))
    track = np.tile(np.arange(PER_USER), USERS)
    _, _, plain = rules.ranked(user, track, score)
    _, _, spread = rules.spread(ListsConfig(artist_discount=0.9)).ranked(user, track, score)
    np.testing.assert_allclose(spread, plain * np.tile(0.9 ** np.arange(PER_USER), USERS), rtol=1e-5)


@pytest.mark.parametrize("best", [-20.0, 17.0, 20.0])
def test_candidates_that_a_ranking_objective_tells_apart_are_told_apart_in_lists(best: float) -> None:
    config = RankerConfig(objective="rank_xendcg")
    place = np.random.default_rng(5).permutation(100)
    user = np.tile(np.array([7, 3], np.int32), 50)
    predicted = best - 1e-4 * place
    score = list_scores(config, user, predicted)
    assert score.dtype == np.float32
    for each in (3, 7):
        row, _, _ = ListRules.none().ranked(user[user == each], place[user == each], score[user == each])
        assert place[user == each][row].tolist() == sorted(place[user == each])
        # The same without the other user, and told apart as far as the predictions are.
        assert np.array_equal(list_scores(config, user[user == each], predicted[user == each]), score[user == each])
        steps = np.diff(np.sort(place[user == each]))
        np.testing.assert_allclose(-np.diff(np.log(np.sort(score[user == each])[::-1])), 1e-4 * steps, atol=3e-7)
    assert score[place.argmin()] == 1
    far = list_scores(config, np.zeros(2, np.int32), np.array([best, best - 500]))
    assert far[0] == 1 and 0 < far[1] < 1e-37
    assert list_scores(config, np.zeros(0, np.int32), np.zeros(0)).shape == (0,)


def test_weaker_downsampling_than_the_training_sets_own_is_refused_and_stronger_keeps_every_positive() -> None:
    stored = fold(AS_OF)
    third = downsampled(stored, RankerConfig(negatives=0.1))
    negatives = (stored.label == 0).sum()
    assert third.label.sum() == stored.label.sum()
    assert (third.label == 0).sum() == pytest.approx(negatives / 3, rel=0.25)
    assert downsampled(stored, RankerConfig()) is stored
    assert np.array_equal(third.x, downsampled(stored, RankerConfig(negatives=0.1)).x)
    with pytest.raises(ValueError, match=r"keeps 0\.3 of the negatives"):
        downsampled(stored, RankerConfig(negatives=0.5))


def test_a_single_interval_is_that_of_the_paired_bootstrap() -> None:
    difference = np.random.default_rng(3).normal(0.01, 0.1, 500)
    ((low, high),) = simultaneous_intervals(difference[None, :], seed=1)
    assert (low, high) == pytest.approx(bootstrap_interval(difference, seed=1), abs=0.001)
    assert simultaneous_intervals(np.zeros((2, 10)), seed=1).tolist() == [[0, 0], [0, 0]]
    assert simultaneous_intervals(np.array([[0.1], [0.2]]), seed=1).tolist() == [[-np.inf, np.inf]] * 2


def test_among_many_candidates_as_good_as_the_default_none_seems_significantly_better() -> None:
    # Each is as good as the default. One by one, some of the intervals lie above 0 in nearly every search.
    draw, alone, at_once, searches = np.random.default_rng(7), 0, 0, 20
    for seed in range(searches):
        differences = draw.normal(0, 1, (60, 200))
        best = differences[differences.mean(axis=1).argmax()]
        alone += bootstrap_interval(best, seed, resamples=200)[0] > 0
        at_once += bool((simultaneous_intervals(differences, seed, resamples=400)[:, 0] > 0).any())
    assert alone > searches / 2
    assert at_once <= 2


def test_what_is_significantly_better_than_the_default_is_chosen(trials: list[Trial]) -> None:
    default, (chosen,) = trials[0], [each for each in trials if each.chosen]
    assert (default.number, default.config, default.interval) == (0, RankerConfig(), None)
    assert chosen.number > 0 and chosen.interval is not None and chosen.interval[0] > 0
    complete = [each for each in trials if not each.pruned]
    assert chosen.mean() == max(each.mean() for each in complete) > default.mean() + 0.05
    low, high = chosen.interval
    assert low < chosen.mean() - chosen.default < high
    assert chosen.default == default.mean()
    # Where it stopped is part of what was chosen.
    assert chosen.config.trees in range(10, 41, 10)


@pytest.mark.parametrize("users", [(1, 1), (3, 3), (USERS, FEWEST_USERS - 1)])
def test_a_few_users_are_too_few_to_choose_by(users: tuple[int, int]) -> None:
    folds, whole = world(3.0)
    few = [
        replace(each, holdout=holdout(*(rows_of[: number * PER_USER] for rows_of in arrays), relevant[:number]))
        for each, number in zip(whole, users, strict=True)
        for *arrays, relevant in ((each.holdout.x, each.holdout.label, each.holdout.position, each.holdout.relevant),)
    ]
    trials = searched(folds, few)
    assert max(each.mean() for each in trials) > trials[0].mean() + 0.05
    assert [each.number for each in trials if each.chosen] == [0]
    assert not any(each.interval for each in trials)
    by_date = [{"users": measured.users} for measured in trials[0].by_date]
    assert described_choice({"trial": 0, "ndcg_100": 0.1, "by_date": by_date}) == (
        f"the default stays: NDCG@100 0.1000, and {users[1]} users on a date are too few to choose by (at least 30)"
    )


def test_the_second_trial_is_the_best_known_alternative_whatever_the_seed() -> None:
    folds, validations = world(3.0)
    for seed in (1, 2):
        _, second = searched(folds, validations[:1], replace(SMALL, trials=2, seed=seed))
        known = replace(RankerConfig(), objective="rank_xendcg", user_weight=0.0, trees=second.config.trees)
        assert second.config == known


def test_a_search_among_noise_leaves_the_default(trials: list[Trial]) -> None:
    noise = searched(*world(0.0), config=replace(SMALL, trials=12))
    assert [each.number for each in noise if each.chosen] == [0]
    assert max(each.mean() for each in noise) > noise[0].mean()


def test_the_same_search_gives_the_same_trials_and_another_seed_others(trials: list[Trial]) -> None:
    assert searched(*world(3.0)) == trials
    other = searched(*world(3.0), config=replace(SMALL, seed=2))
    assert other[0] == trials[0]
    assert [each.config for each in other[1:]] != [each.config for each in trials[1:]]


def test_no_trial_reads_a_fold_that_was_not_over_nor_a_label_from_as_of_on(trials: list[Trial]) -> None:
    folds, validations = world(3.0)
    poisoned = [replace(each, label=1 - each.label) if each.as_of in DATES[:2] else each for each in folds]
    assert searched(poisoned, validations) == trials
    for each in trials:
        assert each.labels_until == AS_OF
        assert max(each.training_dates) + timedelta(days=HORIZON_DAYS) <= each.by_date[0].as_of
    assert searched(folds, validations[1:])[0].labels_until == DATES[1] + timedelta(days=HORIZON_DAYS)


def test_a_trial_that_is_significantly_worse_on_the_newest_date_is_not_measured_on_the_other() -> None:
    # The newest date is the other way round: what learns from the signal is worst there.
    folds, (newest, older) = world(3.0)
    turned = replace(newest, holdout=replace(newest.holdout, x=-newest.holdout.x))
    trials = searched(folds, [turned, older])
    pruned = [each for each in trials if each.pruned]
    assert pruned and not any(each.chosen or each.interval for each in pruned)
    assert {len(each.by_date) for each in pruned} == {1}
    assert all(each.mean() < each.default for each in pruned)


def test_without_a_fold_that_was_over_there_is_nothing_to_search_on() -> None:
    folds, validations = world(3.0)
    newest = validations[0]
    assert search(folds[:2], validations, SMALL, lambda *_: None) is None
    with pytest.raises(ValueError, match="other features"):
        search(folds, [replace(newest, holdout=replace(newest.holdout, names=["x", "y", "z"]))], SMALL, lambda *_: None)
