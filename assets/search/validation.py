"""A whole fold as arrays, on which the rankings of many models are measured."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.metrics.protocol import METRICS
from assets.ranker.holdout import feature_names
from assets.ranker.training_set import HeldOut
from assets.slates import LIST_LENGTH
from warehouse.lake import Lake

_SEED = 1
_DISCOUNT = 1.0 / np.log2(np.arange(2, LIST_LENGTH + 2))


@dataclass(frozen=True)
class Validation:
    """All candidates of the users of a fold, user by user, users ascending.

    x: float32 (rows, len(names)). label: bool (rows,). position: int64 (rows,), the row's user as a place in `users`.
    users: int32 (n,). relevant: int64 (n,), relevant tracks of each, candidates or not, at least 1.
    """

    as_of: date
    names: list[str]
    x: npt.NDArray[np.float32]
    label: npt.NDArray[np.bool_]
    position: npt.NDArray[np.int64]
    users: npt.NDArray[np.int32]
    relevant: npt.NDArray[np.int64]

    def metrics(self, score: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """METRICS of each user (len(METRICS), n) when the candidates are ranked by `score` (rows,).

        As `evaluation.per_user_metrics` of the lists that `scoring.rank` would make without rules. Equal scores, as
        float32, keep the order of the rows.
        """
        order = np.lexsort((-score.astype(np.float32), self.position))
        first = np.searchsorted(self.position, np.arange(len(self.users)))
        # Sorting keeps the rows of a user in the same places.
        rank = np.arange(len(order)) - first[self.position]
        hit = self.label[order] & (rank < LIST_LENGTH)
        rank, user = rank[hit], self.position[hit]
        best = np.cumsum(_DISCOUNT)
        measured = np.zeros((len(METRICS), len(self.users)))
        for row, metric in enumerate(METRICS):
            kind, k = metric.split("@")
            reachable = np.minimum(int(k), self.relevant)
            gain = np.where(rank < int(k), 1.0 if kind == "recall" else _DISCOUNT[rank], 0.0)
            total = np.bincount(user, weights=gain, minlength=len(self.users))
            measured[row] = total / (reachable if kind == "recall" else best[reachable - 1])
        return measured


def read_validation(lake: Lake, fold: HeldOut, most_users: int) -> Validation | None:
    """A stored whole fold: all its users, or so many of them, drawn by date. None when nobody has a candidate."""
    keys = [
        table["user_key"].to_numpy()
        for table in lake.read_parquet(fold.path, made_by="training_set", columns=["user_key"])
    ]
    users = np.unique(np.concatenate(keys)).astype(np.int32)
    if not len(users):
        return None
    if len(users) > most_users:
        draw = np.random.default_rng([_SEED, fold.as_of.toordinal()])
        users = np.sort(draw.choice(users, most_users, replace=False))
    frames = (table.to_pandas() for table in lake.read_parquet(fold.path, made_by="training_set"))
    frame = pd.concat([each[each["user_key"].isin(users)] for each in frames], ignore_index=True)
    frame = frame.sort_values("user_key", kind="stable", ignore_index=True)
    _, first, position = np.unique(frame["user_key"].to_numpy(np.int32), return_index=True, return_inverse=True)
    names = feature_names(frame.columns)
    return Validation(
        as_of=fold.as_of,
        names=names,
        x=frame[names].to_numpy(np.float32),
        label=frame["label"].to_numpy(bool),
        position=position.astype(np.int64),
        users=users,
        relevant=frame["relevant"].to_numpy(np.int64)[first],
    )
