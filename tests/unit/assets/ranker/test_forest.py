"""The compiled forest predicts what LightGBM predicts, whatever the values and however the model was trained."""

import logging
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest

from assets.ranker.forest.forest import UnsupportedForestError, read_forest
from assets.ranker.scoring import predict
from assets.ranker.training import RankerConfig, RankerModel

FEATURES = 8
SMALL = {"min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1, "seed": 1, "deterministic": True}


def rows(count: int, seed: int) -> npt.NDArray[np.float32]:
    """Counts, ratios and signed numbers; two features without a missing value, one that is often zero."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, FEATURES)).astype(np.float32)
    x[:, :3] = np.floor(np.exp(2 * x[:, :3]))
    x[:, 3] = np.where(draw.random(count) < 0.5, 0, x[:, 3])
    x[:, 2:6][draw.random((count, 4)) < 0.3] = np.nan
    return x


def odd_rows(count: int) -> npt.NDArray[np.float32]:
    """Every feature may be missing, infinite, zero, nearly zero, or as large or small as float32 can be."""
    draw = np.random.default_rng(5)
    odd = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-36, -1e-36, 2e-35, 3.4e38, -3.4e38], dtype=np.float32)
    x = rows(count, 6)
    return np.where(draw.random(x.shape) < 0.4, draw.choice(odd, x.shape), x)


def trained(labels: str = "sign", rounds: int = 25, **parameters: Any) -> lightgbm.Booster:
    x = rows(1500, 2)
    target = np.nan_to_num(x[:, 2]) - 2 * np.isnan(x[:, 4]) + x[:, 6] * x[:, 7] + (x[:, 0] > 3)
    label = {"sign": target > 0, "value": target, "thirds": np.digitize(target, [-0.5, 1])}[labels]
    asked = {**SMALL, "objective": "binary", "num_leaves": 15, **parameters}
    ranking = str(asked["objective"]).startswith(("lambdarank", "rank"))
    data = lightgbm.Dataset(x, label, group=[30] * 50 if ranking else None, params=asked)
    return lightgbm.train(asked, data, rounds)


def thresholds(booster: lightgbm.Booster) -> npt.NDArray[np.float64]:
    """Every threshold of the model, sorted."""
    lines = [line for line in booster.model_to_string().splitlines() if line.startswith("threshold=")]
    return np.unique([float(value) for line in lines for value in line.removeprefix("threshold=").split()])


def both(booster: lightgbm.Booster, x: npt.NDArray[np.float32], threads: int = 1) -> tuple[Any, Any]:
    return read_forest(booster.model_to_string()).predict(x, threads), booster.predict(x, num_threads=1)


PARAMETERS: list[dict[str, Any]] = [
    {},
    {"num_leaves": 32},
    {"num_leaves": 2, "rounds": 3},
    {"zero_as_missing": True},
    {"use_missing": False},
    {"objective": "binary", "sigmoid": 2.5},
    {"objective": "lambdarank"},
    {"objective": "rank_xendcg"},
    {"objective": "regression", "labels": "value"},
    {"monotone_constraints": [1, 0, 1, 0, 0, 0, -1, 0]},
    {"extra_trees": True, "feature_fraction": 0.5, "bagging_fraction": 0.5, "bagging_freq": 1},
    {"min_data_in_leaf": 2000},
]


def named(parameters: dict[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in parameters.items()) or "default"


@pytest.mark.parametrize("parameters", PARAMETERS, ids=named)
def test_predictions_are_those_of_lightgbm_for_every_kind_of_value(parameters: dict[str, Any]) -> None:
    booster = trained(**parameters)
    ours, theirs = both(booster, np.vstack([odd_rows(3000), rows(1001, 9)]))
    np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=0)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=named)
def test_contributions_are_those_of_lightgbm_for_every_kind_of_value(parameters: dict[str, Any]) -> None:
    booster = trained(**parameters)
    x = np.vstack([odd_rows(700), rows(101, 9)])
    ours = read_forest(booster.model_to_string()).contributions(x, threads=2)
    np.testing.assert_allclose(ours, booster.predict(x, pred_contrib=True, num_threads=1), rtol=0, atol=1e-12)


def test_contributions_are_exact_on_paths_of_many_features() -> None:
    draw = np.random.default_rng(4)
    x = draw.random((4000, 24)).astype(np.float32)
    parameters = {**SMALL, "objective": "regression", "num_leaves": 32}
    # The tree asks one feature after the other how far the row comes.
    label = (x > 0.1).cumprod(axis=1).sum(axis=1)
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, label, params=parameters), 40)
    forest = read_forest(booster.model_to_string())
    assert np.diff(forest.paths.first_slot).max() >= 10
    ours = forest.contributions(x[:300], threads=1)
    np.testing.assert_allclose(ours, booster.predict(x[:300], pred_contrib=True), rtol=0, atol=1e-10)


def test_a_value_next_to_a_threshold_goes_the_way_it_goes_in_double_precision() -> None:
    booster = trained()
    near = thresholds(booster).astype(np.float32)
    values = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    x = np.repeat(rows(20, 3), len(values), axis=0)
    for feature in range(FEATURES):
        at = x.copy()
        at[:, feature] = np.tile(values, 20)
        ours, theirs = both(booster, at)
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=0)


def test_neither_threads_nor_the_layout_of_the_rows_change_a_bit() -> None:
    booster = trained()
    forest, x = read_forest(booster.model_to_string()), odd_rows(9001)
    one = forest.predict(x, threads=1)
    assert np.array_equal(forest.predict(x, threads=2), one)
    assert np.array_equal(forest.predict(np.asfortranarray(x), threads=3), one)
    assert np.array_equal(np.concatenate([forest.predict(x[:70], 1), forest.predict(x[70:], 1)]), one)
    assert len(np.unique(one)) > 100


def test_no_rows_have_no_scores() -> None:
    assert read_forest(trained().model_to_string()).predict(rows(0, 1), threads=2).shape == (0,)


@pytest.mark.parametrize("x", [rows(3, 1)[:, 1:], rows(3, 1).astype(np.float64), rows(3, 1)[0]])
def test_rows_of_another_shape_or_type_are_refused(x: npt.NDArray[Any]) -> None:
    forest = read_forest(trained(rounds=1).model_to_string())
    with pytest.raises(ValueError, match="float32 rows of 8 features"):
        forest.predict(x, threads=1)


UNSUPPORTED = {
    "leaves, more than 32": {"num_leaves": 40, "min_data_in_leaf": 1},
    "3 classes": {"objective": "multiclass", "num_class": 3, "labels": "thirds"},
    "averages its trees": {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    "categorical splits or linear leaves": {"objective": "regression", "labels": "value", "linear_tree": True},
    "objective is poisson": {"objective": "poisson", "labels": "thirds"},
}


@pytest.mark.parametrize("reason", UNSUPPORTED)
def test_a_model_that_cannot_be_expressed_is_scored_by_lightgbm_and_that_is_said(
    reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    booster = trained(rounds=5, **UNSUPPORTED[reason])
    text = booster.model_to_string()
    with pytest.raises(UnsupportedForestError, match=reason):
        read_forest(text)
    model = RankerModel(text, booster.feature_name(), {}, [], 0, 0, RankerConfig())
    with caplog.at_level(logging.WARNING):
        scores = [predict(model, odd_rows(50)) for _ in range(2)]
    assert np.array_equal(scores[0], booster.predict(odd_rows(50), num_threads=1), equal_nan=True)
    assert len(caplog.records) == 1


def test_categorical_splits_are_not_taken_for_numbers() -> None:
    x = rows(600, 4)
    x[:, 0] = np.arange(600) % 7
    data = lightgbm.Dataset(x, x[:, 0] % 2 == 0, categorical_feature=[0], params=SMALL)
    booster = lightgbm.train({**SMALL, "objective": "binary"}, data, 5)
    with pytest.raises(UnsupportedForestError, match="categorical"):
        read_forest(booster.model_to_string())


def test_contributions_keep_their_digits_where_a_path_narrows_one_feature_to_hardly_any_rows() -> None:
    draw = np.random.default_rng(8)
    x = draw.random((60_000, 2)).astype(np.float32)
    # All that matters is how near the first feature is to 0: one side of every split has a few rows of many.
    label = (x[:, 0] < 2.0 ** -np.arange(3, 14)[:, None]).sum(axis=0) + 0.01 * x[:, 1]
    parameters = {**SMALL, "objective": "regression", "num_leaves": 16, "min_data_in_leaf": 1, "max_bin": 4095}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, label, params=parameters), 30)
    forest = read_forest(booster.model_to_string())
    assert forest.paths.slot_share.min() < 1e-3
    ours = forest.contributions(x[:500], threads=1)
    np.testing.assert_allclose(ours, booster.predict(x[:500], pred_contrib=True), rtol=0, atol=1e-11)
