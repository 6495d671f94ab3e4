"""Trains one config for every validation date and measures it as its trees grow."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from assets.features.dates import fold_dates
from assets.metrics.intervals import bootstrap_interval
from assets.metrics.protocol import HEADLINE, PerUser
from assets.ranker.dataset import Fold
from assets.ranker.judging import judge
from assets.ranker.training import RankerConfig, downsampled, training_data
from assets.search.trial import SearchConfig
from assets.search.validation import Validation
from assets.slates import HORIZON_DAYS

if TYPE_CHECKING:
    import lightgbm

# By number of trees: the metrics of each user of one validation date.
Curve = dict[int, PerUser]


@dataclass(frozen=True)
class Attempt:
    """A config and its curves, one per validation date, newest first; only the first when it was pruned."""

    config: RankerConfig
    curves: list[Curve]
    training_dates: list[date]
    seconds: float

    def measured_trees(self) -> list[int]:
        """Numbers of trees at which it was measured on every date, ascending."""
        return sorted(set.intersection(*(set(curve) for curve in self.curves)))

    def best_trees(self) -> int:
        """Where NDCG@100 is best; of equals, the fewest."""
        means = {trees: self.mean(trees) for trees in self.measured_trees()}
        return max(means, key=lambda trees: (means[trees], -trees))

    def mean(self, trees: int) -> float:
        """NDCG@100: the mean over the dates of the mean over their users."""
        return float(np.mean([curve[trees][HEADLINE].mean() for curve in self.curves]))


def clean_folds(folds: Sequence[Fold], as_of: date, number: int) -> list[Fold]:
    """Of the `number` folds that a ranker would learn from for which `as_of` is the newest, those over by `as_of`."""
    dates = fold_dates(as_of + timedelta(days=HORIZON_DAYS), number)
    return [each for each in folds if each.as_of in dates and each.as_of + timedelta(days=HORIZON_DAYS) <= as_of]


def try_default(folds: Sequence[Fold], validations: Sequence[Validation], search: SearchConfig) -> Attempt:
    """The default config, with its own number of trees."""
    config, started = RankerConfig(), time.perf_counter()
    curves, dates = [], set()
    for validation in validations:
        clean = clean_folds(folds, validation.as_of, config.folds)
        curves.append(_curve(clean, validation, config, [config.trees], search.patience))
        dates |= {fold.as_of for fold in clean}
    return Attempt(config, curves, sorted(dates, reverse=True), time.perf_counter() - started)


def try_config(
    folds: Sequence[Fold],
    validations: Sequence[Validation],
    config: RankerConfig,
    default: Attempt,
    search: SearchConfig,
) -> Attempt:
    """A config on every date; on the newest alone when it is significantly worse than the default there."""
    started = time.perf_counter()
    measured_at = range(search.step, search.most_trees + 1, search.step)
    curves: list[Curve] = []
    dates: set[date] = set()
    for validation in validations:
        clean = [downsampled(fold, config) for fold in clean_folds(folds, validation.as_of, config.folds)]
        curves.append(_curve(clean, validation, config, measured_at, search.patience))
        dates |= {fold.as_of for fold in clean}
        so_far = Attempt(config, curves, [], 0.0)
        if validation is validations[0] and _significantly_worse(so_far, default, search.seed):
            break
    return Attempt(config, curves, sorted(dates, reverse=True), time.perf_counter() - started)


def _significantly_worse(on_newest: Attempt, default: Attempt, seed: int) -> bool:
    """Whether the paired interval of a config, measured on the newest date alone, lies below the default there."""
    (curve,) = on_newest.curves
    difference = curve[on_newest.best_trees()][HEADLINE] - default.curves[0][default.config.trees][HEADLINE]
    return bootstrap_interval(difference, seed)[1] < 0


def _curve(
    folds: Sequence[Fold], validation: Validation, config: RankerConfig, measured_at: Sequence[int], patience: int
) -> Curve:
    """What the ranker that `training.train` would make does after so many trees, until it has not improved for long."""
    import lightgbm

    # The same trees with any number of threads; a second one waits more than it works on folds of this size.
    parameters = {**config.lightgbm_parameters(threads=1), "metric": "None"}
    data = training_data(folds, config, threads=1)
    booster = lightgbm.Booster(parameters, data)
    booster.add_valid(lightgbm.Dataset(validation.holdout.x, reference=data, params=parameters), "holdout")
    curve: Curve = {}
    best = done = 0
    for trees in measured_at:
        for _ in range(trees - done):
            booster.update()
        done = trees
        curve[trees] = judge(validation.holdout, config, _scores(booster)).metrics
        if curve[trees][HEADLINE].mean() > (curve[best][HEADLINE].mean() if best else -1.0):
            best = trees
        elif list(curve).index(trees) - list(curve).index(best) >= patience:
            break
    return curve


def _scores(booster: "lightgbm.Booster") -> npt.NDArray[np.float64]:
    """What a booster in training predicts for its validation rows: LightGBM keeps it up to date tree by tree."""
    kept: list[npt.NDArray[np.float64]] = []

    def keep(predicted: npt.NDArray[np.float64], _: "lightgbm.Dataset") -> tuple[str, float, bool]:
        kept.append(predicted)
        return "kept", 0.0, True

    booster.eval_valid(keep)
    return kept[0]
