"""Trained rankers: text files in the lake, a card row in ml.models, and which one is champion as of a date."""

import hashlib
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from assets.ranker.slates import Slate
from assets.ranker.training import RankerConfig, RankerModel
from warehouse.errors import AudoticsError
from warehouse.lake import Lake


@dataclass(frozen=True)
class Champion:
    """The ranker that serves a slate, loaded and verified."""

    model_version: str
    trained_as_of: date
    model: RankerModel


def register(connection: Connection, lake: Lake, slate: Slate, as_of: date, model: RankerModel, users: int) -> str:
    """Store a model, trained on rows of `users` users, and its card; the same model text gives the same version.

    The file is written before the row, so a row never names a file that is not there.
    """
    digest = hashlib.sha256(model.text.encode()).hexdigest()
    version = f"{slate}-{as_of.isoformat()}-{digest[:8]}"
    file = f"models/{version}.txt"
    lake.write_text(file, model.text)
    connection.execute(
        _UPSERT,
        {
            "model_version": version,
            "slate": str(slate),
            "trained_as_of": as_of,
            "folds": model.fold_dates,
            "params": asdict(model.config),
            "features": model.names,
            "feature_importance": model.gain,
            "metrics": {"training_positives": model.positives},
            "training_rows": model.rows,
            "training_users": users,
            "file": file,
            "file_sha256": digest,
        },
    )
    return version


def has_champions(connection: Connection, as_of: date) -> bool:
    """Whether some slate has a ranker that saw nothing from `as_of` or later."""
    return any(_newest(connection, slate, as_of) is not None for slate in Slate)


def champions(connection: Connection, lake: Lake, as_of: date) -> dict[Slate, Champion]:
    """The newest ranker of each slate trained as of `as_of` or earlier; a slate that has none is left out.

    Raises:
        AudoticsError: no slate has one, or a file is not the one that was registered.
    """
    rows = {slate: _newest(connection, slate, as_of) for slate in Slate}
    found = {slate: _load(lake, row) for slate, row in rows.items() if row is not None}
    if not found:
        raise AudoticsError(
            f"no ranker was trained as of {as_of} or earlier: run `audotics run --as-of {as_of}`,"
            " which trains one, or materialise the `training` job"
        )
    return found


def model_of_version(connection: Connection, lake: Lake, version: str) -> tuple[Slate, Champion]:
    """A registered ranker and its slate, champion or not.

    Raises:
        AudoticsError: there is no such model, or its file is not the one that was registered.
    """
    row = connection.execute(_BY_VERSION, {"model_version": version}).one_or_none()
    if row is None:
        raise AudoticsError(f"there is no model {version!r}; `select model_version from ml.models` lists them")
    return Slate(row.slate), _load(lake, row)


def _load(lake: Lake, row: Any) -> Champion:
    """The ranker of a row of ml.models; AudoticsError when its file is not the one that was registered."""
    if not lake.exists(row.file):
        raise AudoticsError(
            f"the file of model {row.model_version} is not in the lake ({row.file}): restore it, or run the"
            f" `training` job as of {row.trained_as_of} again"
        )
    model_text = lake.read_text(row.file)
    if hashlib.sha256(model_text.encode()).hexdigest() != row.file_sha256:
        raise AudoticsError(
            f"the file of model {row.model_version} ({row.file}) is not the one that was registered: restore it, or"
            f" run the `training` job as of {row.trained_as_of} again"
        )
    model = RankerModel(
        text=model_text,
        names=row.features,
        gain=row.feature_importance,
        fold_dates=row.folds,
        rows=row.training_rows,
        positives=row.metrics["training_positives"],
        # A card keeps the parameters of its day; those that have gone since do not matter for scoring.
        config=RankerConfig(**{name: row.params[name] for name in _CONFIG_FIELDS & row.params.keys()}),
    )
    return Champion(row.model_version, row.trained_as_of, model)


def _newest(connection: Connection, slate: Slate, as_of: date) -> Any:
    return connection.execute(_NEWEST, {"slate": str(slate), "as_of": as_of}).one_or_none()


_CONFIG_FIELDS = {field.name for field in fields(RankerConfig)}
_NEWEST = text(
    "select * from ml.models where slate = :slate and trained_as_of <= :as_of"
    " order by trained_as_of desc, created_at desc limit 1"
)

_BY_VERSION = text("select * from ml.models where model_version = :model_version")

_JSON_COLUMNS = ("params", "features", "feature_importance", "metrics")
_UPSERT = text(
    "insert into ml.models (model_version, slate, trained_as_of, created_at, folds, params, features,"
    " feature_importance, metrics, training_rows, training_users, file, file_sha256)"
    " values (:model_version, :slate, :trained_as_of, now(), :folds, :params, :features, :feature_importance,"
    " :metrics, :training_rows, :training_users, :file, :file_sha256)"
    " on conflict (model_version) do update set created_at = excluded.created_at"
).bindparams(*(sa.bindparam(name, type_=JSONB) for name in _JSON_COLUMNS))
