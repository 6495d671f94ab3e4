"""Repeats the choice of the ranker's defaults on earlier `as_of` dates of the warehouse, and prints every trial.

    audotics run --as-of D          # for every date to be tuned on: builds the features of D and of its folds
    python -m benchmarks.tune_ranker --as-of 2014-11-03 --as-of 2014-11-17 --as-of 2014-12-01

Dates after --latest are refused, so that the window a result is reported on stays unseen.
"""

import argparse
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.candidates.history import Listens, read_listens
from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.dbt import features_version
from assets.ranker.baselines import baseline_lists, source_lists
from assets.ranker.dataset import Fold, fold_dates, labelled_fold
from assets.ranker.evaluation import METRICS, per_user_metrics, relevant_tracks
from assets.ranker.feature_dates import stale_feature_dates
from assets.ranker.features import FeatureMatrix, join_features
from assets.ranker.marts import feature_reader, read_list_rules
from assets.ranker.scoring import rank
from assets.ranker.slates import HORIZON_DAYS, Slate
from assets.ranker.training import RankerConfig, train
from warehouse.engine import adbc_connect, create_engine
from warehouse.local_servers import ensure_running
from warehouse.settings import Settings

DEFAULT = RankerConfig()
TRIALS = {
    "default": DEFAULT,
    "4 folds": replace(DEFAULT, folds=4),
    "no user weight": replace(DEFAULT, user_weight=0.0),
    "user weight .5": replace(DEFAULT, user_weight=0.5),
    "8 leaves": replace(DEFAULT, leaves=8),
    "31 leaves": replace(DEFAULT, leaves=31),
    "min child 400": replace(DEFAULT, min_child_samples=400),
    "60 trees at .05": replace(DEFAULT, trees=60, learning_rate=0.05),
    "250 trees": replace(DEFAULT, trees=250),
}


class Window:
    """What one reported date needs for one slate: its folds, its candidates and what was relevant."""

    def __init__(
        self, connection: dbapi.Connection, listens: Listens, as_of: date, fitted: dict[date, Sources]
    ) -> None:
        self.as_of = as_of
        self.relevant = {slate: _relevant(listens, as_of, slate) for slate in Slate}
        self.folds: dict[Slate, list[Fold]] = {slate: [] for slate in Slate}
        self.pools: dict[Slate, tuple[pd.DataFrame, FeatureMatrix]] = {}
        self.baselines: dict[Slate, dict[str, pd.DataFrame]] = {}
        for day in [as_of, *fold_dates(as_of, DEFAULT.folds)]:
            if day not in fitted:
                fitted[day] = fit_sources(listens.before(day), day, SourcesConfig())
            for slate in Slate:
                self._add(connection, listens, day, slate, fitted[day])

    def _add(self, connection: dbapi.Connection, listens: Listens, day: date, slate: Slate, sources: Sources) -> None:
        features_of = feature_reader(connection, day)
        if day != self.as_of:
            relevant = _relevant(listens, day, slate)
            fold = labelled_fold(day, slate, sources, relevant, features_of, DEFAULT.negatives, DEFAULT.seed)
            self.folds[slate].append(fold)
            return
        users = np.unique(self.relevant[slate]["user_key"].to_numpy())
        pool = sources.candidates(users, slate)
        self.pools[slate] = pool, join_features(pool, features_of(users))
        self.baselines[slate] = baseline_lists(source_lists(sources, slate, users))


def _relevant(listens: Listens, as_of: date, slate: Slate) -> pd.DataFrame:
    horizon = listens.between(as_of, as_of + timedelta(days=HORIZON_DAYS))
    return relevant_tracks(listens.before(as_of), horizon, as_of, slate)


def _print(name: str, slate: Slate, lists: list[pd.DataFrame], windows: list[Window]) -> None:
    """Means over the users of all windows together, one column per metric."""
    scored = [per_user_metrics(frame, window.relevant[slate])[1] for frame, window in zip(lists, windows, strict=True)]
    means = [np.concatenate([metrics[metric] for metrics in scored]).mean() for metric in METRICS]
    print(
        f"{slate:9s} {name:22s} "
        + "  ".join(f"{metric} {mean:.4f}" for metric, mean in zip(METRICS, means, strict=True))
    )


def main() -> None:
    """Reads once, then trains every trial on every date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", type=date.fromisoformat, action="append", required=True)
    parser.add_argument("--latest", type=date.fromisoformat, default=date(2014, 12, 1))
    arguments = parser.parse_args()
    dates = sorted(arguments.as_of)
    if dates[-1] > arguments.latest:
        parser.error(f"{dates[-1]} is after {arguments.latest}, the last date that may be tuned on")
    url = ensure_running(Settings()).warehouse_url
    needed = sorted({day for as_of in dates for day in [as_of, *fold_dates(as_of, DEFAULT.folds)]})
    with create_engine(url).connect() as engine_connection:
        missing = stale_feature_dates(engine_connection, needed, features_version())
    if missing:
        parser.error(f"no current features as of {', '.join(map(str, missing))}: run `audotics run --as-of` first")
    with adbc_connect(url) as connection:
        listens = read_listens(connection, dates[-1] + timedelta(days=HORIZON_DAYS))
        fitted: dict[date, Sources] = {}
        rules = read_list_rules(connection)
        windows = [Window(connection, listens, as_of, fitted) for as_of in dates]
    for slate in Slate:
        for name in windows[0].baselines[slate]:
            _print(name, slate, [window.baselines[slate][name] for window in windows], windows)
        for name, config in TRIALS.items():
            models = [train(window.folds[slate][: config.folds], config) for window in windows]
            lists = [rank(model, *window.pools[slate], rules) for model, window in zip(models, windows, strict=True)]
            _print(f"ranker, {name}", slate, lists, windows)


if __name__ == "__main__":
    main()
