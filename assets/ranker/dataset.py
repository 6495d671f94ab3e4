"""Labelled folds: what was offered as of a closed date, and what was then listened to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.candidates.history import Ints
from assets.candidates.pool import Sources
from assets.ranker.features import FeatureFrames, join_features
from assets.ranker.slates import HORIZON_DAYS, Slate


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


def fold_dates(as_of: date, folds: int) -> list[date]:
    """The `folds` latest weekly dates whose whole horizon lies before `as_of`, newest first."""
    return [as_of - timedelta(days=HORIZON_DAYS + 7 * week) for week in range(folds)]


def labelled_fold(
    as_of: date,
    slate: Slate,
    sources: Sources,
    relevant: pd.DataFrame,
    features_of: Callable[[Ints], FeatureFrames],
    negatives: float,
    seed: int,
    batch: int = 2000,
) -> Fold:
    """Candidates of every user with a relevant track, labelled by `relevant` (evaluation.relevant_tracks).

    `features_of(user_keys)` reads the feature marts as of this fold for a batch of users. Of the candidates that
    were not listened to, the share `negatives` is kept, drawn by `seed`.
    """
    users = np.unique(relevant["user_key"].to_numpy(np.int32))
    wanted = _code(relevant)
    generator = np.random.default_rng([seed, as_of.toordinal()])
    names: list[str] = []
    x, labels, owners = [], [], []
    for start in range(0, len(users), batch):
        members = users[start : start + batch]
        pool = sources.candidates(members, slate)
        label = np.isin(_code(pool), wanted)
        keep = label | (generator.random(len(pool)) < negatives)
        matrix = join_features(pool[keep], features_of(members))
        names = matrix.names
        x.append(matrix.values)
        labels.append(label[keep].astype(np.int8))
        owners.append(pool["user_key"].to_numpy(np.int32)[keep])
    if not x:
        raise ValueError(f"no user has a relevant track in the {HORIZON_DAYS} days from {as_of}")
    return Fold(as_of, names, np.vstack(x), np.concatenate(labels), np.concatenate(owners))


def _code(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    return (frame["user_key"].to_numpy(np.int64) << 32) + frame["track_key"].to_numpy(np.int64)
