"""Keeps the training set: one labelled Parquet file per fold and slate, built once and reused every week."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.candidates.history import Listens, read_listens
from assets.candidates.pool import SourcesConfig, fit_sources
from assets.ranker.dataset import Fold, fold_dates, labelled_fold
from assets.ranker.evaluation import relevant_tracks
from assets.ranker.marts import feature_reader
from assets.ranker.slates import HORIZON_DAYS, Slate
from assets.ranker.training import RankerConfig
from warehouse.errors import AudoticsError
from warehouse.lake import Lake

_ASSETS = Path(__file__).parents[1]


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


def update_training_set(
    connection: dbapi.Connection,
    lake: Lake,
    as_of: date,
    sources: SourcesConfig,
    config: RankerConfig,
    features_version: str,
) -> list[StoredFold]:
    """Make sure that every fold that a ranker as of a date trains on is in the lake.

    A fold's file is named after the listens, the configuration, the feature models (`features_version`) and the code it
    came from: a fold that is already there is kept, and one of which something has changed since is built anew.

    Raises:
        AudoticsError: no fold has both history and labels.
    """
    everything = read_listens(connection, as_of)
    stored = []
    for fold_date in fold_dates(as_of, config.folds):
        stored += _update_fold(connection, lake, everything, fold_date, sources, config, features_version)
    if not stored:
        raise AudoticsError(
            f"nothing to train on as of {as_of}: rankers need listens before {as_of - timedelta(days=HORIZON_DAYS)}"
            " by users who also listened later; ingest more history or choose a later --as-of"
        )
    return stored


def load_folds(lake: Lake, as_of: date, slate: Slate, config: RankerConfig) -> list[Fold]:
    """The folds that a ranker of a slate as of a date trains on, as `update_training_set` left them, newest first.

    None where no user had a relevant track for that slate in any of them.

    Raises:
        AudoticsError: the lake holds no fold of any slate.
    """
    folds = []
    others = False
    for fold_date in fold_dates(as_of, config.folds):
        folder = _folder(fold_date)
        for name in lake.names(folder):
            if name.startswith(f"{slate}-"):
                frames = [table.to_pandas() for table in lake.read_parquet(f"{folder}/{name}")]
                folds.append(Fold.from_frame(fold_date, pd.concat(frames, ignore_index=True)))
            else:
                others = True
    if not folds and not others:
        raise AudoticsError(
            f"the lake holds no training fold for {as_of}: materialise `training_set` for that date first"
        )
    return folds


def _folder(fold_date: date) -> str:
    return f"training/as_of={fold_date.isoformat()}"


def _update_fold(
    connection: dbapi.Connection,
    lake: Lake,
    everything: Listens,
    fold_date: date,
    sources: SourcesConfig,
    config: RankerConfig,
    features_version: str,
) -> list[StoredFold]:
    before = everything.before(fold_date)
    horizon = everything.between(fold_date, fold_date + timedelta(days=HORIZON_DAYS))
    relevant = {slate: relevant_tracks(before, horizon, fold_date, slate) for slate in Slate}
    fingerprint = _fingerprint(before, horizon, sources, config, features_version)
    folder = _folder(fold_date)
    paths = {
        slate: f"{folder}/{slate}-{fingerprint}.parquet" for slate in Slate if len(relevant[slate]) and len(before)
    }
    fitted = None
    stored = []
    for slate, path in paths.items():
        found = lake.exists(path)
        if not found:
            fitted = fitted or fit_sources(before, fold_date, sources)
            fold = labelled_fold(
                fold_date,
                slate,
                fitted,
                relevant[slate],
                feature_reader(connection, fold_date),
                config.negatives,
                config.seed,
            )
            lake.write_parquet(path, [pa.Table.from_pandas(fold.to_frame(), preserve_index=False)])
        stored.append(_describe(lake, fold_date, slate, path, built=not found))
    for name in lake.names(folder):
        if f"{folder}/{name}" not in paths.values():
            lake.remove(f"{folder}/{name}")
    return stored


def _describe(lake: Lake, fold_date: date, slate: Slate, path: str, built: bool) -> StoredFold:
    rows = positives = 0
    for table in lake.read_parquet(path, columns=["label"]):
        rows += table.num_rows
        positives += int(table["label"].to_numpy().sum())
    return StoredFold(fold_date, slate, path, rows, positives, built)


def _fingerprint(
    before: Listens, horizon: Listens, sources: SourcesConfig, config: RankerConfig, features_version: str
) -> str:
    settings = [asdict(sources), config.negatives, config.seed, features_version, _code_digest()]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for listens in (before, horizon):
        for column in (listens.user_key, listens.track_key, listens.listened_at):
            digest.update(column.tobytes())
    return digest.hexdigest()[:12]


def _code_digest() -> str:
    """Digest of the code that makes a fold's rows: candidates and their scores, features, labels."""
    ranker = (_ASSETS / "ranker" / name for name in ("dataset.py", "evaluation.py", "features.py", "slates.py"))
    digest = hashlib.sha256()
    for path in (*sorted((_ASSETS / "candidates").glob("*.py")), *ranker):
        digest.update(f"{path.relative_to(_ASSETS).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()
