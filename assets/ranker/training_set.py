"""Keeps the training set: one labelled Parquet file per fold and slate, built once and reused every week.

Of the newest fold all candidates are kept as well (`held_out`), to compare models on.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.candidates.pool import Sources, SourcesConfig, fit_sources, needed_facts
from assets.catalogue import read_catalogue
from assets.features.dates import fold_dates
from assets.features.marts import feature_reader
from assets.listens import Listens, read_listens
from assets.metrics.protocol import relevant_tracks
from assets.ranker.dataset import Fold, FoldBuilder, LabelledPool, labelled_pools
from assets.ranker.holdout import held_out_rows, held_out_users
from assets.ranker.training import RankerConfig, thinned
from assets.slates import HORIZON_DAYS, Slate
from warehouse.errors import AudoticsError
from warehouse.lake import Lake

_ASSETS = Path(__file__).parents[1]
_TRAINING, _HELD_OUT = "training", "held_out"


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
class HeldOut:
    """A whole fold in the lake (held_out.held_out_rows)."""

    as_of: date
    path: str


def update_training_set(
    connection: dbapi.Connection,
    lake: Lake,
    as_of: date,
    sources: SourcesConfig,
    config: RankerConfig,
    features_version: str,
    whole: int = 1,
) -> list[StoredFold]:
    """Make sure that every fold that a ranker as of a date trains on is in the lake.

    A fold's file is named after the listens, the configuration, the feature models (`features_version`) and the code it
    came from: a fold that is already there is kept, and one of which something has changed since is built anew. Of
    each slate the `whole` newest folds are kept whole as well; those of older trainings go some days after they were
    written.

    Raises:
        AudoticsError: no fold has both history and labels.
    """
    everything = read_listens(connection, as_of)
    lake.expire(_HELD_OUT)
    stored: list[StoredFold] = []
    for fold_date in fold_dates(as_of, config.folds):
        kept = Counter(fold.slate for fold in stored)
        held_out = {slate for slate in Slate if kept[slate] >= whole}
        stored += _update_fold(connection, lake, everything, fold_date, sources, config, features_version, held_out)
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
        folder = _folder(_TRAINING, fold_date)
        for name in lake.names(folder):
            if name.startswith(f"{slate}-"):
                frames = [table.to_pandas() for table in lake.read_parquet(f"{folder}/{name}", made_by="training_set")]
                folds.append(thinned(Fold.from_frame(fold_date, pd.concat(frames, ignore_index=True)), config))
            else:
                others = True
    if not folds and not others:
        raise AudoticsError(
            f"the lake holds no training fold for {as_of}: materialise `training_set` for that date first"
        )
    return folds


def held_out_fold(lake: Lake, as_of: date, slate: Slate, config: RankerConfig) -> HeldOut | None:
    """The whole fold that models of a slate as of a date are compared on, as `update_training_set` left it."""
    return next(iter(whole_folds(lake, as_of, slate, config)), None)


def whole_folds(lake: Lake, as_of: date, slate: Slate, config: RankerConfig) -> list[HeldOut]:
    """The whole folds of a slate among those of a date, as `update_training_set` left them, newest first."""
    return [
        HeldOut(fold_date, f"{folder}/{name}")
        for fold_date in fold_dates(as_of, config.folds)
        for folder in (_folder(_HELD_OUT, fold_date),)
        for name in lake.names(folder)
        if name.startswith(f"{slate}-")
    ]


def _folder(kind: str, fold_date: date) -> str:
    return f"{kind}/as_of={fold_date.isoformat()}"


def _update_fold(
    connection: dbapi.Connection,
    lake: Lake,
    everything: Listens,
    fold_date: date,
    sources: SourcesConfig,
    config: RankerConfig,
    features_version: str,
    held_out: set[Slate],
) -> list[StoredFold]:
    """One file per slate with labels, and the whole fold of those slates that are not `held_out` from newer ones."""
    before = everything.before(fold_date)
    horizon = everything.between(fold_date, fold_date + timedelta(days=HORIZON_DAYS))
    relevant = {slate: relevant_tracks(before, horizon, fold_date, slate) for slate in Slate}
    fingerprint = _fingerprint(before, horizon, sources, config, features_version)
    fitted: Sources | None = None
    stored = []
    for slate in (each for each in Slate if len(relevant[each]) and len(before)):
        path = f"{_folder(_TRAINING, fold_date)}/{slate}-{fingerprint}.parquet"
        whole = None if slate in held_out else f"{_folder(_HELD_OUT, fold_date)}/{slate}-{fingerprint}.parquet"
        found = lake.exists(path) and (whole is None or lake.exists(whole))
        if not found:
            fitted = fitted or fit_sources(
                before, fold_date, sources, read_catalogue(connection, needed_facts(sources.sizes))
            )
            pools = labelled_pools(slate, fitted, relevant[slate], feature_reader(connection, fold_date))
            fold = _build(lake, FoldBuilder(fold_date, config.negatives, config.seed), pools, relevant[slate], whole)
            lake.write_parquet(path, [pa.Table.from_pandas(fold.to_frame(), preserve_index=False)])
        stored.append(_describe(lake, fold_date, slate, path, built=not found))
    for folder in (_folder(_TRAINING, fold_date), _folder(_HELD_OUT, fold_date)):
        for name in lake.names(folder):
            if not name.endswith(f"-{fingerprint}.parquet"):
                lake.remove(f"{folder}/{name}")
    return stored


def _build(
    lake: Lake, builder: FoldBuilder, pools: Iterator[LabelledPool], relevant: pd.DataFrame, whole: str | None
) -> Fold:
    """The fold's training rows; where `whole` is a path, all its candidates are written there on the way."""
    if whole is None:
        for pool in pools:
            builder.add(pool)
        return builder.fold()
    users = held_out_users(relevant, builder.as_of)

    def passed_on() -> Iterator[pa.Table]:
        for pool in pools:
            builder.add(pool)
            yield held_out_rows(pool, users, relevant)

    lake.write_parquet(whole, passed_on())
    return builder.fold()


def _describe(lake: Lake, fold_date: date, slate: Slate, path: str, built: bool) -> StoredFold:
    rows = positives = 0
    for table in lake.read_parquet(path, made_by="training_set", columns=["label"]):
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
    others = (
        "catalogue.py",
        "features/join.py",
        "listens.py",
        "metrics/protocol.py",
        "pairs.py",
        "ranker/dataset.py",
        "ranker/holdout.py",
        "slates.py",
    )
    digest = hashlib.sha256()
    for path in (*sorted((_ASSETS / "candidates").glob("*.py")), *(_ASSETS / name for name in others)):
        digest.update(f"{path.relative_to(_ASSETS).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()
