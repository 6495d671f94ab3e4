"""How models are judged: by the lists that users would be served, whoever asks, on the candidates of a holdout."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.features.join import FeatureMatrix
from assets.listens import Floats, Ints
from assets.metrics.protocol import PerUser, metrics_of_hits
from assets.ranker.holdout import Holdout
from assets.ranker.scoring import in_order_of, list_scores, predict, served
from assets.ranker.training import RankerConfig, RankerModel


@dataclass(frozen=True)
class Judged:
    """What served lists are worth: row (of the holdout) and rank (from 1) of every place, metrics of every user."""

    row: Ints
    rank: Ints
    metrics: PerUser


@dataclass(frozen=True)
class Audience:
    """The users of a holdout: users int32[n], ascending; listens float32[n] before `as_of`; relevant int64[n] tracks.

    reachable: how many of the relevant tracks, of all users together, are candidates.
    """

    users: npt.NDArray[np.int32]
    listens: Floats
    relevant: npt.NDArray[np.int64]
    reachable: int


@dataclass(frozen=True)
class Performance:
    """What one model makes of a holdout.

    lists: user_key, track_key, artist_key (-1 where unknown), rank, as served. metrics: of each user of the audience.
    score, label: of all candidates, before any rule. rows_per_second: of CPU, scored and listed in the fastest batch.
    """

    lists: pd.DataFrame
    metrics: PerUser
    score: Floats
    label: npt.NDArray[np.bool_]
    rows_per_second: float


def judge(holdout: Holdout, config: RankerConfig, predicted: npt.NDArray[np.float64]) -> Judged:
    """The lists that a model trained with `config` would serve by its predictions (rows,), and their metrics."""
    row, rank, _ = served(holdout.listing, config, holdout.position, predicted)
    hit = holdout.label[row]
    return Judged(row, rank, metrics_of_hits(holdout.position[row[hit]], rank[hit], holdout.relevant))


def perform(models: Mapping[str, RankerModel], holdouts: Iterable[Holdout]) -> tuple[Audience, dict[str, Performance]]:
    """Have every model serve a holdout, one batch of users at a time; there is at least one.

    Raises:
        AudoticsError: a model was trained on a feature that the holdout does not have.
    """
    audiences: list[Audience] = []
    parts: dict[str, list[Performance]] = {name: [] for name in models}
    for holdout in holdouts:
        if not audiences:
            for model in models.values():
                # Whatever a model prepares when it first scores is not part of its speed.
                first = predict(model, in_order_of(model, FeatureMatrix(holdout.names, holdout.x[:1])))
                list_scores(model.config, holdout.position[:1], first)
        reachable = int(holdout.label.sum())
        audiences.append(Audience(holdout.users, holdout.listens, holdout.relevant, reachable))
        for name, model in models.items():
            parts[name].append(_performance(model, holdout))
    audience = Audience(
        np.concatenate([each.users for each in audiences]),
        np.concatenate([each.listens for each in audiences]),
        np.concatenate([each.relevant for each in audiences]),
        sum(each.reachable for each in audiences),
    )
    return audience, {name: _joined(each) for name, each in parts.items()}


def _performance(model: RankerModel, holdout: Holdout) -> Performance:
    # Of this process alone: what else the machine does says nothing about a model.
    started = time.process_time()
    predicted = predict(model, in_order_of(model, FeatureMatrix(holdout.names, holdout.x)))
    judged = judge(holdout, model.config, predicted)
    seconds = max(time.process_time() - started, 1e-9)
    lists = {
        "user_key": holdout.users[holdout.position[judged.row]],
        "track_key": holdout.track[judged.row],
        "artist_key": holdout.artist[judged.row],
        "rank": judged.rank,
    }
    score = list_scores(model.config, holdout.position, predicted)
    return Performance(pd.DataFrame(lists), judged.metrics, score, holdout.label, len(predicted) / seconds)


def _joined(parts: list[Performance]) -> Performance:
    return Performance(
        pd.concat([part.lists for part in parts], ignore_index=True),
        {name: np.concatenate([part.metrics[name] for part in parts]) for name in parts[0].metrics},
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.label for part in parts]),
        max(part.rows_per_second for part in parts),
    )
