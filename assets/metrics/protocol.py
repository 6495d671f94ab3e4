"""The evaluation protocol: global split in time, every track a candidate, NDCG and recall of lists of 100.

Users count when they are people, listened before `as_of` and have a relevant track in the horizon. Gain is 1;
NDCG@k = sum over hits 1/log2(rank+1), over its best possible value with min(k, relevant) hits;
Recall@k = hits@k / min(k, relevant). Means over users; a user without a list counts as 0.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.listens import Ints, Listens
from assets.metrics.intervals import paired_difference
from assets.pairs import firsts, heard_pairs, pairs_of, unpack
from assets.slates import FORGOTTEN_AFTER_DAYS, LIST_LENGTH, Slate

METRICS = ("ndcg@10", "ndcg@100", "recall@100")
HEADLINE = "ndcg@100"
# By metric, one value for each user.
PerUser = dict[str, npt.NDArray[np.float64]]
_DISCOUNT = 1.0 / np.log2(np.arange(2, LIST_LENGTH + 2))
_BEST = np.cumsum(_DISCOUNT)


@dataclass(frozen=True)
class SlateEvaluation:
    """users: int32[n], ascending. per_user: model -> metric -> float64[n]. paired is null with no baseline."""

    users: npt.NDArray[np.int32]
    per_user: dict[str, PerUser]
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

    Users without a listen before `as_of` are dropped, and those who were known then not to be people; for `discover`,
    so is what the user had heard before; for `rediscover`, all but what they had heard before and not in the last 60
    days.
    """
    relevant = heard_pairs(horizon)
    relevant = relevant[np.isin(firsts(relevant), before.of_people(as_of).user_key)]
    if slate is Slate.DISCOVER:
        relevant = np.setdiff1d(relevant, heard_pairs(before), assume_unique=True)
    if slate is Slate.REDISCOVER:
        lately = before.between(as_of - timedelta(days=FORGOTTEN_AFTER_DAYS), as_of)
        relevant = np.setdiff1d(np.intersect1d(relevant, heard_pairs(before), assume_unique=True), heard_pairs(lately))
    user_key, track_key = unpack(relevant)
    return pd.DataFrame({"user_key": user_key, "track_key": track_key})


def shown_places(lists: pd.DataFrame) -> pd.DataFrame:
    """The rows of lists that are judged, best first: to rank 100, a track listed twice at its better rank alone."""
    shown = lists[lists["rank"] <= LIST_LENGTH].sort_values("rank", kind="stable")
    return shown.drop_duplicates(["user_key", "track_key"])


def per_user_metrics(lists: pd.DataFrame, relevant: pd.DataFrame) -> tuple[npt.NDArray[np.int32], PerUser]:
    """Evaluated users (ascending) and their metrics for lists with columns user_key, track_key, rank (from 1).

    Rows of other users and below rank 100 are ignored; a track listed twice counts once, at its better rank.
    """
    users, relevant_user = np.unique(relevant["user_key"].to_numpy(np.int32), return_inverse=True)
    relevant_count = np.bincount(relevant_user, minlength=len(users))
    wanted = pairs_of(relevant)
    shown = shown_places(lists)
    hits = shown[np.isin(pairs_of(shown), wanted)]
    position = np.searchsorted(users, hits["user_key"].to_numpy(np.int32))
    return users, metrics_of_hits(position, hits["rank"].to_numpy(np.int64), relevant_count)


def metrics_of_hits(user: Ints, rank: Ints, relevant: Ints) -> PerUser:
    """METRICS of n users by the relevant tracks in their lists: the only place where they are computed.

    user: place (0 to n - 1) of whose list each hit is in. rank: its rank there, 1 to 100. relevant: how many relevant
    tracks each user has (n,), at least 1.
    """
    metrics = {}
    for metric in METRICS:
        kind, k = metric.split("@")
        reachable = np.minimum(int(k), relevant)
        gain = np.where(rank <= int(k), 1.0 if kind == "recall" else _DISCOUNT[rank - 1], 0.0)
        total = np.bincount(user, weights=gain, minlength=len(relevant))
        metrics[metric] = total / (reachable if kind == "recall" else _BEST[reachable - 1])
    return metrics


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
