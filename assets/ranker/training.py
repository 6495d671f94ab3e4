"""Trains one LightGBM ranker on the labelled folds of one slate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assets.ranker.dataset import Fold

if TYPE_CHECKING:
    import lightgbm


@dataclass(frozen=True)
class RankerConfig:
    """Chosen on 30Music `as_of` dates up to 2014-12-01 (benchmarks/tune_ranker.py).

    folds: weekly dates to learn from. negatives: share kept of the candidates that were not listened to.
    user_weight: a row weighs (1 + the user's listened-to candidates in its fold) ** -user_weight, because the
    protocol averages over users and not over listens.
    """

    folds: int = 6
    negatives: float = 0.3
    user_weight: float = 0.25
    trees: int = 150
    leaves: int = 15
    learning_rate: float = 0.02
    min_child_samples: int = 200
    lambda_l2: float = 10.0
    feature_fraction: float = 0.6
    bagging_fraction: float = 0.6
    threads: int = 2
    seed: int = 1

    def lightgbm_parameters(self) -> dict[str, object]:
        """The same folds, config and LightGBM version give the same model text; other `threads`, the same trees."""
        return {
            "objective": "binary",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_child_samples,
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "seed": self.seed,
            "verbosity": -1,
        }


@dataclass(frozen=True)
class RankerModel:
    """A trained ranker: LightGBM model text, feature names in order, share of gain per feature, training data."""

    text: str
    names: list[str]
    gain: dict[str, float]
    fold_dates: list[date]
    rows: int
    positives: int
    config: RankerConfig

    @cached_property
    def booster(self) -> "lightgbm.Booster":
        """The LightGBM model of `text`."""
        import lightgbm

        return lightgbm.Booster(model_str=self.text)


def can_learn(folds: Sequence[Fold]) -> bool:
    """Whether some candidate was listened to, and some was not."""
    return len({label for fold in folds for label in np.unique(fold.label).tolist()}) == 2


def train(folds: Sequence[Fold], config: RankerConfig) -> RankerModel:
    """Trains on all folds together.

    Raises:
        ValueError: the folds disagree on features, or there is nothing to learn from them (`can_learn`).
    """
    import lightgbm

    names = folds[0].names
    for fold in folds:
        if fold.names != names:
            raise ValueError(f"fold {fold.as_of} has other features than fold {folds[0].as_of}")
    x = np.vstack([fold.x for fold in folds])
    label = np.concatenate([fold.label for fold in folds])
    positives = int(label.sum())
    if positives in (0, len(label)):
        raise ValueError(f"of {len(label)} candidates in {len(folds)} folds, {positives} were listened to")
    parameters = config.lightgbm_parameters()
    weight = np.concatenate([_row_weights(fold, config.user_weight) for fold in folds])
    data = lightgbm.Dataset(x, label, weight=weight, feature_name=names, params=parameters)
    booster = lightgbm.train(parameters, data, num_boost_round=config.trees)
    gain = booster.feature_importance("gain")
    share = gain / max(float(gain.sum()), 1e-12)
    ordered = sorted(zip(names, share, strict=True), key=lambda pair: -pair[1])
    return RankerModel(
        text=booster.model_to_string(),
        names=names,
        gain={name: round(float(value), 6) for name, value in ordered},
        fold_dates=[fold.as_of for fold in folds],
        rows=len(label),
        positives=positives,
        config=config,
    )


def _row_weights(fold: Fold, power: float) -> npt.NDArray[np.floating[Any]]:
    _, user = np.unique(fold.user_key, return_inverse=True)
    listened = np.bincount(user, weights=fold.label)
    return (1.0 + listened[user]) ** -power
