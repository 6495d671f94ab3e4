"""Labelled folds: what was offered as of a closed date, and what was then listened to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.candidates.pool import Sources
from assets.features.join import FeatureFrames, join_features
from assets.listens import Ints
from assets.pairs import pairs_of
from assets.slates import HORIZON_DAYS, Slate


@dataclass(frozen=True)
class Fold:
    """Training rows of one slate as of one date: x float32 (rows, len(names)), label 0/1, user_key per row."""

    as_of: date
    names: list[str]
    x: npt.NDArray[np.float32]
    label: npt.NDArray[np.int8]
    user_key: npt.NDArray[np.int32]

    def to_frame(self) -> pd.DataFrame:
        """One column per feature, then `label` and `user_key`: the form in which a fold is stored."""
        frame = pd.DataFrame(self.x, columns=self.names)
        return frame.assign(label=self.label, user_key=self.user_key)

    @classmethod
    def from_frame(cls, as_of: date, frame: pd.DataFrame) -> "Fold":
        """The inverse of `to_frame`."""
        names = [name for name in frame.columns if name not in ("label", "user_key")]
        return cls(
            as_of,
            names,
            frame[names].to_numpy(np.float32),
            frame["label"].to_numpy(np.int8),
            frame["user_key"].to_numpy(np.int32),
        )


@dataclass(frozen=True)
class LabelledPool:
    """Candidates of a batch of users (Sources.candidates), which of them were listened to, the users' features."""

    candidates: pd.DataFrame
    label: npt.NDArray[np.bool_]
    features: FeatureFrames


class FoldBuilder:
    """Collects the training rows of one fold, pool by pool.

    Of the candidates that were not listened to, the share `negatives` is kept, drawn by `seed`.
    """

    def __init__(self, as_of: date, negatives: float, seed: int) -> None:
        self.as_of = as_of
        self._negatives = negatives
        self._generator = np.random.default_rng([seed, as_of.toordinal()])
        self._names: list[str] = []
        self._x: list[npt.NDArray[np.float32]] = []
        self._label: list[npt.NDArray[np.int8]] = []
        self._user_key: list[npt.NDArray[np.int32]] = []

    def add(self, pool: LabelledPool) -> None:
        keep = pool.label | (self._generator.random(len(pool.label)) < self._negatives)
        matrix = join_features(pool.candidates[keep], pool.features)
        self._names = matrix.names
        self._x.append(matrix.values)
        self._label.append(pool.label[keep].astype(np.int8))
        self._user_key.append(pool.candidates["user_key"].to_numpy(np.int32)[keep])

    def fold(self) -> Fold:
        """Raises ValueError when no pool was added."""
        if not self._x:
            raise ValueError(f"no user has a relevant track in the {HORIZON_DAYS} days from {self.as_of}")
        label, user_key = np.concatenate(self._label), np.concatenate(self._user_key)
        return Fold(self.as_of, self._names, np.vstack(self._x), label, user_key)


def labelled_pools(
    slate: Slate,
    sources: Sources,
    relevant: pd.DataFrame,
    features_of: Callable[[Ints], FeatureFrames],
    batch: int = 2000,
) -> Iterator[LabelledPool]:
    """Candidates of every user with a relevant track, labelled by `relevant` (evaluation.relevant_tracks).

    `features_of(user_keys)` reads the feature marts as of the sources' date for a batch of users. Users in order.
    """
    users = np.unique(relevant["user_key"].to_numpy(np.int32))
    wanted = pairs_of(relevant)
    for start in range(0, len(users), batch):
        members = users[start : start + batch]
        pool = sources.candidates(members, slate)
        yield LabelledPool(pool, np.isin(pairs_of(pool), wanted), features_of(members))
