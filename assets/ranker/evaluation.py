"""The evaluation protocol: global split in time, every track a candidate, NDCG and recall of lists of 100.

Users count when they listened before `as_of` and have a relevant track in the horizon. Gain is 1;
NDCG@k = sum over hits 1/log2(rank+1), over its best possible value with min(k, relevant) hits;
Recall@k = hits@k / min(k, relevant). Means over users; a user without a list counts as 0.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.candidates.history import Listens
from assets.ranker.slates import FORGOTTEN_AFTER_DAYS, LIST_LENGTH, Slate

METRICS = ("ndcg@10", "ndcg@100", "recall@100")
HEADLINE = "ndcg@100"

_BOOTSTRAP_CELLS = 4_000_000


@dataclass(frozen=True)
class SlateEvaluation:
    """users: int32[n], ascending. per_user: model -> metric -> float64[n]. paired is null with no baseline."""

    users: npt.NDArray[np.int32]
    per_user: dict[str, dict[str, npt.NDArray[np.float64]]]
    paired: dict[str, object] | None

    def summary(self) -> dict[str, object]:
        """{"users", "models": {model: {metric: mean}}, "paired": {"against","metric","delta","ci95"}}."""
        means = {
            model: {metric: float(values.mean()) if len(values) else 0.0 for metric, values in metrics.items()}
            for model, metrics in self.per_user.items()
        }
        return {"users": len(self.users), "models": means, "paired": self.paired}


def relevant_tracks(before: Listens, horizon: Listens, as_of: date, slate: Slate) -> pd.DataFrame:
    """Distinct (user_key, track_key) of the horizon that the protocol counts, sorted.

    Users without a listen before `as_of` are dropped; for `discover`, so is what the user had heard before; for
    `rediscover`, all but what they had heard before and not in the last 60 days.
    """
    relevant = pairs(horizon)
    relevant = relevant[np.isin(relevant >> 32, before.user_key)]
    if slate is Slate.DISCOVER:
        relevant = np.setdiff1d(relevant, pairs(before), assume_unique=True)
    if slate is Slate.REDISCOVER:
        lately = before.between(as_of - timedelta(days=FORGOTTEN_AFTER_DAYS), as_of)
        relevant = np.setdiff1d(np.intersect1d(relevant, pairs(before), assume_unique=True), pairs(lately))
    return pd.DataFrame(
        {"user_key": (relevant >> 32).astype(np.int32), "track_key": (relevant & 0xFFFFFFFF).astype(np.int32)}
    )


def pairs(listens: Listens) -> npt.NDArray[np.int64]:
    """The distinct (user, track) of listens, ascending: user_key in the upper 32 bits, track_key in the lower."""
    return np.unique((listens.user_key.astype(np.int64) << 32) + listens.track_key)


def shown_places(lists: pd.DataFrame) -> pd.DataFrame:
    """The rows of lists that are judged, best first: to rank 100, a track listed twice at its better rank alone."""
    shown = lists[lists["rank"] <= LIST_LENGTH].sort_values("rank", kind="stable")
    return shown.drop_duplicates(["user_key", "track_key"])


def per_user_metrics(
    lists: pd.DataFrame, relevant: pd.DataFrame
) -> tuple[npt.NDArray[np.int32], dict[str, npt.NDArray[np.float64]]]:
    """Evaluated users (ascending) and their metrics for lists with columns user_key, track_key, rank (from 1).

    Rows of other users and below rank 100 are ignored; a track listed twice counts once, at its better rank.
    """
    users, relevant_user = np.unique(relevant["user_key"].to_numpy(np.int32), return_inverse=True)
    relevant_count = np.bincount(relevant_user, minlength=len(users))
    wanted = _code(relevant["user_key"], relevant["track_key"])
    shown = shown_places(lists)
    hits = shown[np.isin(_code(shown["user_key"], shown["track_key"]), wanted)]
    position = np.searchsorted(users, hits["user_key"].to_numpy(np.int32))
    rank = hits["rank"].to_numpy(np.int64)
    best = np.cumsum(1.0 / np.log2(np.arange(2, LIST_LENGTH + 2)))
    metrics = {}
    for metric in METRICS:
        kind, k = metric.split("@")
        reachable = np.minimum(int(k), relevant_count)
        gain = np.where(rank <= int(k), 1.0 if kind == "recall" else 1.0 / np.log2(rank + 1.0), 0.0)
        total = np.bincount(position, weights=gain, minlength=len(users))
        metrics[metric] = total / (reachable if kind == "recall" else best[reachable - 1])
    return users, metrics


def evaluate(
    lists: dict[str, pd.DataFrame], relevant: pd.DataFrame, model: str = "ranker", seed: int = 1
) -> SlateEvaluation:
    """Evaluates every model's lists, and `model` against the best other one by NDCG@100, paired by user.

    Of others that are equally good, the first by name.
    """
    per_user = {}
    for name, frame in lists.items():
        users, per_user[name] = per_user_metrics(frame, relevant)
    others = [name for name in per_user if name != model]
    paired: dict[str, object] | None = None
    if model in per_user and others and len(users):
        best = min(others, key=lambda name: (-float(per_user[name][HEADLINE].mean()), name))
        paired = paired_difference(per_user[model][HEADLINE], per_user[best][HEADLINE], best, HEADLINE, seed)
    return SlateEvaluation(users, per_user, paired)


def paired_difference(
    mine: npt.NDArray[np.float64], other: npt.NDArray[np.float64], against: str, metric: str, seed: int
) -> dict[str, object]:
    """The mean of `mine` minus `other`, per user and not empty, with its 95 % interval."""
    difference = mine - other
    interval = list(bootstrap_interval(difference, seed=seed))
    return {"against": against, "metric": metric, "delta": float(difference.mean()), "ci95": interval}


def mean_with_interval(values: npt.NDArray[np.float64], seed: int) -> dict[str, Any]:
    """{"mean", "ci95"} of values per user, not empty."""
    return {"mean": float(values.mean()), "ci95": list(bootstrap_interval(values, seed=seed))}


def bootstrap_interval(values: npt.NDArray[np.float64], seed: int, resamples: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of the mean of `values` under resampling with replacement."""
    generator = np.random.default_rng(seed)
    at_once = max(1, _BOOTSTRAP_CELLS // len(values))
    means = np.concatenate(
        [
            values[generator.integers(0, len(values), (min(at_once, resamples - done), len(values)))].mean(axis=1)
            for done in range(0, resamples, at_once)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _code(user_key: pd.Series, track_key: pd.Series) -> npt.NDArray[np.int64]:
    return (user_key.to_numpy(np.int64) << 32) + track_key.to_numpy(np.int64)
