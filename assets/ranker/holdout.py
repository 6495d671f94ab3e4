"""The newest fold of a training, kept whole, and what models make of it.

A training fold keeps a share of its negatives; ranking what is left would flatter every model. So the candidates of the
newest fold are stored as well, all of them, for the users that a comparison is made on.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from assets.features.join import FeatureMatrix
from assets.listens import Floats
from assets.ranker.lists import ListRules
from assets.ranker.scoring import rank
from assets.ranker.training import RankerModel
from assets.slates import LIST_LENGTH

# What is compared is what models know; how lists are spread is the same for both.
_AS_SCORED = ListRules.none()
_KEYS = ("user_key", "track_key", "artist_key", "label", "relevant")


@dataclass(frozen=True)
class Audience:
    """The users of a held-out fold: users int32[n], ascending; listens float32[n] before `as_of`.

    relevant: user_key, track_key as in `evaluation.relevant_tracks`. What no source put forward has a negative key: no
    model can list it, so only how many there are counts.
    """

    users: npt.NDArray[np.int32]
    listens: Floats
    relevant: pd.DataFrame


@dataclass(frozen=True)
class Rehearsal:
    """What one model makes of a held-out fold.

    lists: user_key, track_key, artist_key (-1 where unknown), rank of the best 100 of each user. score, label: of all
    candidates. rows_per_second: of scoring and ranking, in the fastest batch.
    """

    lists: pd.DataFrame
    score: Floats
    label: npt.NDArray[np.bool_]
    rows_per_second: float


def feature_names(columns: Iterable[str]) -> list[str]:
    """The features among the columns of a held-out fold."""
    return [name for name in columns if name not in _KEYS]


def rehearse(models: dict[str, RankerModel], tables: Iterable[pa.Table]) -> tuple[Audience, dict[str, Rehearsal]]:
    """Let every model rank the candidates of a held-out fold, one batch of users (`held_out_rows`) at a time.

    Raises:
        AudoticsError: a model was trained on a feature that the fold does not have.
    """
    audiences: list[Audience] = []
    parts: dict[str, list[Rehearsal]] = {name: [] for name in models}
    for table in tables:
        frame = table.to_pandas()
        if frame.empty:
            continue
        names = feature_names(frame.columns)
        features = FeatureMatrix(names, frame[names].to_numpy(np.float32))
        if not audiences:
            for model in models.values():
                # Whatever a model prepares when it first scores is not part of its speed.
                rank(model, frame[:1], FeatureMatrix(names, features.values[:1]), _AS_SCORED)
        audiences.append(_audience(frame))
        for name, model in models.items():
            parts[name].append(_rehearse(model, frame, features))
    audience = Audience(
        np.concatenate([each.users for each in audiences]),
        np.concatenate([each.listens for each in audiences]),
        pd.concat([each.relevant for each in audiences], ignore_index=True),
    )
    return audience, {name: _joined(each) for name, each in parts.items()}


def _audience(frame: pd.DataFrame) -> Audience:
    users, first = np.unique(frame["user_key"].to_numpy(np.int32), return_index=True)
    hit = frame.loc[frame["label"], ["user_key", "track_key"]]
    counted = frame["relevant"].to_numpy()[first]
    missed = counted - np.bincount(np.searchsorted(users, hit["user_key"]), minlength=len(users))
    beyond = pd.DataFrame({"user_key": np.repeat(users, missed)})
    beyond["track_key"] = -1 - beyond.groupby("user_key").cumcount()
    relevant = pd.concat([hit, beyond], ignore_index=True).astype(np.int32)
    return Audience(users, frame["user_listens"].to_numpy(np.float32)[first], relevant)


def _rehearse(model: RankerModel, frame: pd.DataFrame, features: FeatureMatrix) -> Rehearsal:
    started = time.perf_counter()
    ranked = rank(model, frame, features, _AS_SCORED, k=len(frame))
    seconds = time.perf_counter() - started
    ranked = ranked.merge(frame[["user_key", "track_key", "artist_key", "label"]], on=["user_key", "track_key"])
    lists = ranked.loc[ranked["rank"] <= LIST_LENGTH, ["user_key", "track_key", "artist_key", "rank"]]
    return Rehearsal(
        lists.reset_index(drop=True),
        ranked["score"].to_numpy(np.float32),
        ranked["label"].to_numpy(bool),
        len(frame) / seconds,
    )


def _joined(parts: list[Rehearsal]) -> Rehearsal:
    return Rehearsal(
        pd.concat([part.lists for part in parts], ignore_index=True),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.label for part in parts]),
        max(part.rows_per_second for part in parts),
    )
