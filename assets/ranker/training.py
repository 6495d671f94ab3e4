"""Trains one LightGBM ranker on the labelled folds of one slate."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assets.features.dates import FOLDS
from assets.ranker.dataset import Fold
from assets.slates import LIST_LENGTH
from assets.threads import thread_count

if TYPE_CHECKING:
    import lightgbm


# Log loss of single candidates, or one of LightGBM's losses of a user's candidates in their order.
OBJECTIVES = ("binary", "rank_xendcg", "lambdarank")

# Fewer listeners say less about which track is listened to than the order that lists have without a ranker
# (docs/adr/0033).
FEWEST_LISTENERS = 100

_THREADS = re.compile(r"\[num_threads: \d+\]")


@dataclass(frozen=True)
class RankerConfig:
    """The defaults were chosen on 30Music `as_of` dates up to 2014-12-01; `ranker_search` looks for better ones.

    objective: one of OBJECTIVES. folds: weekly dates to learn from. negatives: share kept of the candidates that were
    not listened to; the training set holds the share of the defaults, and no config can have more. user_weight: a row
    weighs (1 + the user's listened-to candidates in its fold) ** -user_weight, because the protocol averages over users
    and not over listens.
    """

    objective: str = "binary"
    folds: int = FOLDS
    negatives: float = 0.3
    user_weight: float = 0.25
    trees: int = 150
    leaves: int = 15
    learning_rate: float = 0.02
    min_child_samples: int = 200
    lambda_l2: float = 10.0
    feature_fraction: float = 0.6
    bagging_fraction: float = 0.6
    seed: int = 1

    @property
    def probabilities(self) -> bool:
        """Whether probabilities are learnt; the scores of a ranking objective only order a user's candidates."""
        return self.objective == "binary"

    def lightgbm_parameters(self, threads: int) -> dict[str, object]:
        """The same folds, config and LightGBM version give the same trees, with any number of threads."""
        return {
            "objective": self.objective,
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_child_samples,
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "seed": self.seed,
            "verbosity": -1,
            # The places that count are those of a list.
            **({"lambdarank_truncation_level": LIST_LENGTH} if self.objective == "lambdarank" else {}),
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

    @property
    def splits(self) -> bool:
        """Whether any feature decides anything; if none does, all candidates have the same score."""
        return any(self.gain.values())

    @cached_property
    def booster(self) -> "lightgbm.Booster":
        """The LightGBM model of `text`."""
        import lightgbm

        return lightgbm.Booster(model_str=self.text)


@dataclass(frozen=True)
class NotTrained:
    """Why there is no ranker."""

    reason: str


def can_learn(folds: Sequence[Fold]) -> bool:
    """Whether some candidate was listened to, and some was not."""
    return len({label for fold in folds for label in np.unique(fold.label).tolist()}) == 2


def training_data(folds: Sequence[Fold], config: RankerConfig, threads: int) -> "lightgbm.Dataset":
    """The rows of all folds together, weighted, and grouped by fold and user for the objectives that rank.

    Raises:
        ValueError: the folds disagree on features, or there is nothing to learn from them (`can_learn`).
    """
    import lightgbm

    names = folds[0].names
    for fold in folds:
        if fold.names != names:
            raise ValueError(f"fold {fold.as_of} has other features than fold {folds[0].as_of}")
    label = np.concatenate([fold.label for fold in folds])
    positives = int(label.sum())
    if positives in (0, len(label)):
        raise ValueError(f"of {len(label)} candidates in {len(folds)} folds, {positives} were listened to")
    return lightgbm.Dataset(
        np.vstack([fold.x for fold in folds]),
        label,
        weight=np.concatenate([_row_weights(fold, config.user_weight) for fold in folds]),
        group=None if config.probabilities else np.concatenate([_rows_by_user(fold) for fold in folds]),
        feature_name=names,
        params=config.lightgbm_parameters(threads),
    )


def train(folds: Sequence[Fold], config: RankerConfig) -> RankerModel:
    """Trains on all folds together. The same folds, config and LightGBM version give the same model text.

    Raises:
        ValueError: as `training_data`.
    """
    import lightgbm

    threads = thread_count()
    data = training_data(folds, config, threads)
    booster = lightgbm.train(config.lightgbm_parameters(threads), data, num_boost_round=config.trees)
    gain = booster.feature_importance("gain")
    share = gain / max(float(gain.sum()), 1e-12)
    ordered = sorted(zip(folds[0].names, share, strict=True), key=lambda pair: -pair[1])
    return RankerModel(
        # LightGBM notes in how many threads it trained; 0: as many as there are.
        text=_THREADS.sub("[num_threads: 0]", booster.model_to_string()),
        names=folds[0].names,
        gain={name: round(float(value), 6) for name, value in ordered},
        fold_dates=[fold.as_of for fold in folds],
        rows=sum(len(fold.label) for fold in folds),
        positives=sum(int(fold.label.sum()) for fold in folds),
        config=config,
    )


def downsampled(fold: Fold, config: RankerConfig) -> Fold:
    """A fold of the training set with the share of negatives that the config asks for, drawn by its seed and the date.

    Raises:
        ValueError: the training set holds fewer.
    """
    stored = RankerConfig().negatives
    if config.negatives > stored:
        raise ValueError(f"the training set keeps {stored} of the negatives, and {config.negatives} are asked for")
    if config.negatives == stored:
        return fold
    draw = np.random.default_rng([config.seed, fold.as_of.toordinal()]).random(len(fold.label))
    keep = (fold.label > 0) | (draw < config.negatives / stored)
    return replace(fold, x=fold.x[keep], label=fold.label[keep], user_key=fold.user_key[keep])


def _rows_by_user(fold: Fold) -> npt.NDArray[np.int64]:
    """How many rows each user has, in the order of the rows, which come user by user."""
    starts = np.flatnonzero(np.r_[True, fold.user_key[1:] != fold.user_key[:-1]])
    return np.diff(starts, append=len(fold.user_key))


def _row_weights(fold: Fold, power: float) -> npt.NDArray[np.floating[Any]]:
    _, user = np.unique(fold.user_key, return_inverse=True)
    listened = np.bincount(user, weights=fold.label)
    return (1.0 + listened[user]) ** -power
