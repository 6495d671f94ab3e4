"""Keeps the training set: one labelled Parquet file per fold and slate, built once and reused every week.

Of the newest fold all candidates are kept as well (`holdout`), to compare models on.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

import pandas as pd
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.candidates.pool import SourcesConfig
from assets.features.dates import fold_dates
from assets.listens import read_listens
from assets.ranker.dataset import Fold
from assets.ranker.folds import FoldMaker
from assets.ranker.training import RankerConfig, downsampled
from assets.slates import Slate
from assets.staleness import code_digest
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.locks import HeldLock

_TRAINING, _HOLDOUT = "training", "holdout"
# In the place of a slate, in the name of the file of a date with nothing to learn from.
_NOTHING = "nothing"


@dataclass(frozen=True)
class StoredFold:
    """A fold in the lake."""

    as_of: date
    slate: Slate
    path: str
    rows: int
    positives: int
    built: bool
    """Whether it was built now rather than found."""


@dataclass(frozen=True)
class StoredHoldout:
    """A whole fold in the lake (holdout.holdout_rows)."""

    as_of: date
    path: str


def update_training_set(
    connection: dbapi.Connection,
    lake: Lake,
    as_of: date,
    sources: SourcesConfig,
    config: RankerConfig,
    features_version: str,
    lock: HeldLock,
    whole: int = 1,
) -> list[StoredFold]:
    """Make sure that every fold that a ranker as of a date trains on is in the lake.

    A fold's file is named after the listens, the configuration, the feature models (`features_version`) and the code it
    came from: a fold that is already there is kept, and one whose inputs have changed is built again. The `whole`
    newest folds of each slate are kept whole as well; those of older trainings go some days after they were
    written. A file takes its place, and an old one goes, only while the lock (MODELS_LOCK) is held.

    None is made of a date before which nobody who listened in its horizon had listened: a file without rows says so.

    Raises:
        AudoticsError: the lock was lost.
    """
    everything = read_listens(connection, as_of)
    lake.expire(_HOLDOUT, lock.require)
    stored: list[StoredFold] = []
    for fold_date in fold_dates(as_of, config.folds):
        kept = Counter(fold.slate for fold in stored)
        holdout = {slate for slate in Slate if kept[slate] >= whole}
        maker = FoldMaker(connection, everything, fold_date, sources, config.negatives, config.seed)
        stored += _update_fold(lake, maker, features_version, lock, holdout)
    return stored


def load_folds(lake: Lake, as_of: date, slate: Slate, config: RankerConfig) -> list[Fold]:
    """The folds that a ranker of a slate as of a date trains on, as `update_training_set` left them, newest first.

    None where no user had a relevant track for that slate in any of them.

    Raises:
        AudoticsError: the lake holds no fold of any slate.
    """
    folds = [
        downsampled(Fold.from_frame(fold_date, frame), config)
        for fold_date, frame in fold_frames(lake, as_of, slate, config)
    ]
    if not folds and not any(lake.names(_folder(_TRAINING, each)) for each in fold_dates(as_of, config.folds)):
        raise AudoticsError(
            f"the lake holds no training fold for {as_of}: materialise `training_set` for that date first"
        )
    return folds


def newest_folds(lake: Lake, as_of: date, config: RankerConfig) -> dict[Slate, str]:
    """Where in the lake the newest fold lies that a ranker as of a date trains on, by slate that has one in it."""
    folder = _folder(_TRAINING, fold_dates(as_of, config.folds)[0])
    return {slate: f"{folder}/{name}" for slate in Slate for name in lake.names(folder) if name.startswith(f"{slate}-")}


def fold_frames(
    lake: Lake, as_of: date, slate: Slate, config: RankerConfig, columns: list[str] | None = None
) -> Iterator[tuple[date, pd.DataFrame]]:
    """The folds of a slate as they are stored (`Fold.to_frame`), newest first; all columns, or those named."""
    for fold_date in fold_dates(as_of, config.folds):
        folder = _folder(_TRAINING, fold_date)
        for name in lake.names(folder):
            if name.startswith(f"{slate}-"):
                tables = lake.read_parquet(f"{folder}/{name}", made_by="training_set", columns=columns)
                yield fold_date, pd.concat([table.to_pandas() for table in tables], ignore_index=True)


def newest_holdout(lake: Lake, as_of: date, slate: Slate, config: RankerConfig) -> StoredHoldout | None:
    """The whole fold that models of a slate as of a date are compared on, as `update_training_set` left it."""
    return next(iter(stored_holdouts(lake, as_of, slate, config)), None)


def stored_holdouts(lake: Lake, as_of: date, slate: Slate, config: RankerConfig) -> list[StoredHoldout]:
    """The whole folds of a slate among those of a date, as `update_training_set` left them, newest first."""
    return [
        StoredHoldout(fold_date, f"{folder}/{name}")
        for fold_date in fold_dates(as_of, config.folds)
        for folder in (_folder(_HOLDOUT, fold_date),)
        for name in lake.names(folder)
        if name.startswith(f"{slate}-")
    ]


def _folder(kind: str, fold_date: date) -> str:
    return f"{kind}/as_of={fold_date.isoformat()}"


def _update_fold(
    lake: Lake, maker: FoldMaker, features_version: str, lock: HeldLock, holdout: set[Slate]
) -> list[StoredFold]:
    """One file per slate with labels, and the whole fold of those slates that are not `holdout` from newer ones."""
    training, whole_ones = _folder(_TRAINING, maker.as_of), _folder(_HOLDOUT, maker.as_of)
    write = partial(lake.write_parquet, require=lock.require)
    name = f"{maker.fingerprint(features_version, code_digest(FoldMaker.__module__))}.parquet"
    stored = []
    for slate in maker.slates:
        path = f"{training}/{slate}-{name}"
        whole = None if slate in holdout else f"{whole_ones}/{slate}-{name}"
        found = lake.exists(path) and (whole is None or lake.exists(whole))
        if not found:
            fold = maker.fold(slate, None if whole is None else partial(write, whole))
            write(path, [pa.Table.from_pandas(fold.to_frame(), preserve_index=False)])
        stored.append(_describe(lake, maker.as_of, slate, path, built=not found))
    if not stored and not lake.exists(f"{training}/{_NOTHING}-{name}"):
        write(f"{training}/{_NOTHING}-{name}", [pa.table({"label": pa.array([], pa.int8())})])
    for folder in (training, whole_ones):
        for old in lake.names(folder):
            if not old.endswith(f"-{name}"):
                lock.require()
                lake.remove(f"{folder}/{old}")
    return stored


def _describe(lake: Lake, fold_date: date, slate: Slate, path: str, built: bool) -> StoredFold:
    rows = positives = 0
    for table in lake.read_parquet(path, made_by="training_set", columns=["label"]):
        rows += table.num_rows
        positives += int(table["label"].to_numpy().sum())
    return StoredFold(fold_date, slate, path, rows, positives, built)
