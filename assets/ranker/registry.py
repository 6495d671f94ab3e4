"""Trained rankers: text files in the lake, a row with their card in ml.models, and which one serves a date."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from assets.candidates.pool import SourcesConfig, opinion_columns
from assets.features.join import matrix_names
from assets.ranker.scoring import predict
from assets.ranker.training import RankerModel
from assets.ranker.training_config import config_of
from assets.ranker.untrained import UNTRAINED, Untrained
from assets.slates import Slate
from warehouse.errors import AudoticsError
from warehouse.lake import Lake


@dataclass(frozen=True)
class ModelRow:
    """A row of ml.models; the names and kinds are those of its columns."""

    model_version: str
    slate: str
    trained_as_of: date
    created_at: datetime
    folds: list[date]
    params: dict[str, Any]
    metrics: dict[str, Any]
    features: list[str]
    feature_importance: dict[str, float]
    training_rows: int
    training_users: int
    file: str
    file_sha256: str
    card: dict[str, Any]
    stand_in_as_of: date | None
    stand_in_file: str | None
    stand_in_sha256: str | None


@dataclass(frozen=True)
class Champion:
    """The ranker that serves a slate, loaded and verified."""

    model_version: str
    trained_as_of: date
    model: RankerModel


@dataclass(frozen=True)
class NoChampion:
    """What orders the lists of a slate while no ranker serves it."""

    model: Untrained
    trained_as_of: None = None

    @property
    def model_version(self) -> str:
        """What the lists name in the place of a model's version."""
        return self.model.version


# What the lists of a slate are ordered by.
Ordering = Champion | NoChampion


@dataclass(frozen=True)
class StandIn:
    """The same training config trained on the folds that were over by `as_of`: nothing from that day on was seen."""

    as_of: date
    model: RankerModel


@dataclass(frozen=True)
class Challenger:
    """A ranker that has just been trained, on rows of `users` users; no stand-in where history is too short."""

    slate: Slate
    trained_as_of: date
    model: RankerModel
    users: int
    stand_in: StandIn | None

    @property
    def model_version(self) -> str:
        """The same model text gives the same version."""
        return f"{self.slate}-{self.trained_as_of.isoformat()}-{_digest(self.model.text)[:8]}"


def store_files(lake: Lake, challenger: Challenger) -> None:
    """Write the texts of a model and its stand-in; before its row, which so never names a file that is not there."""
    lake.write_text(_file(challenger), challenger.model.text)
    if challenger.stand_in:
        lake.write_text(_stand_in_file(challenger), challenger.stand_in.model.text)


def register(connection: Connection, challenger: Challenger, card: dict[str, Any]) -> None:
    """Store the row of a model whose files are stored; one that is there already stays as it is."""
    model, stand_in = challenger.model, challenger.stand_in
    connection.execute(
        _INSERT,
        {
            "model_version": challenger.model_version,
            "slate": str(challenger.slate),
            "trained_as_of": challenger.trained_as_of,
            "folds": model.fold_dates,
            "params": asdict(model.config),
            "features": model.names,
            "feature_importance": model.gain,
            "metrics": {"training_positives": model.positives},
            "training_rows": model.rows,
            "training_users": challenger.users,
            "file": _file(challenger),
            "file_sha256": _digest(model.text),
            "card": card,
            "stand_in_as_of": stand_in and stand_in.as_of,
            "stand_in_file": stand_in and _stand_in_file(challenger),
            "stand_in_sha256": stand_in and _digest(stand_in.model.text),
        },
    )


def has_champions(connection: Connection, as_of: date) -> bool:
    """Whether some slate has a promoted ranker that saw nothing from `as_of` or later."""
    return any(serving(connection, slate, as_of) is not None for slate in Slate)


def champions(connection: Connection, lake: Lake, as_of: date) -> dict[Slate, Champion]:
    """The rankers that serve `as_of`, as the latest promotions say; a slate that has none is left out.

    Each was trained as of then or earlier.

    Raises:
        AudoticsError: one of them cannot serve (`obstacle`).
    """
    rows = {slate: serving(connection, slate, as_of) for slate in Slate}
    return {slate: _able(lake, row, as_of) for slate, row in rows.items() if row is not None}


def orderings(connection: Connection, lake: Lake, as_of: date) -> dict[Slate, Ordering]:
    """What orders the lists of each slate as of a date: its champion, or the order without one (`UNTRAINED`).

    Raises:
        AudoticsError: a champion cannot serve.
    """
    found = champions(connection, lake, as_of)
    return {slate: found.get(slate) or NoChampion(UNTRAINED[slate]) for slate in Slate}


def ordering_of_version(connection: Connection, lake: Lake, version: str) -> dict[Slate, Ordering]:
    """What a version names, by the slates that it can order: a registered ranker its own, an order without one all.

    Raises:
        AudoticsError: there is no such model, or its file is not the one that was registered.
    """
    if order := Untrained.of_version(version):
        return {slate: NoChampion(order) for slate in Slate}
    slate, champion = model_of_version(connection, lake, version)
    return {slate: champion}


def model_of_version(connection: Connection, lake: Lake, version: str) -> tuple[Slate, Champion]:
    """A registered ranker and its slate, promoted or not.

    Raises:
        AudoticsError: there is no such model, or its file is not the one that was registered.
    """
    row = model_row(connection, version)
    return Slate(row.slate), _champion(lake, row)


def model_row(connection: Connection, version: str) -> ModelRow:
    """The row of ml.models of a version; AudoticsError when there is none."""
    row = connection.execute(_BY_VERSION, {"model_version": version}).one_or_none()
    if row is None:
        raise AudoticsError(f"there is no model {version}; `audotics models list` shows those there are")
    return ModelRow(**row._mapping)


def serving(connection: Connection, slate: Slate, as_of: date) -> ModelRow | None:
    """The row of ml.models of the ranker that serves `as_of`, or None."""
    row = connection.execute(_SERVING, {"slate": str(slate), "as_of": as_of}).one_or_none()
    return None if row is None else ModelRow(**row._mapping)


def obstacle(lake: Lake, row: ModelRow, features: Iterable[str] | None = None) -> str | None:
    """Why a model cannot serve, None when it can: its file is gone or another one, a feature of it is gone, its text
    cannot be scored.

    features: those that there are, by default those of today's sources and marts.
    """
    try:
        model = load_model(lake, row)
    except AudoticsError as error:
        return str(error)
    there_are = matrix_names(opinion_columns(SourcesConfig().sizes)) if features is None else features
    gone = sorted(set(row.features) - set(there_are))
    if gone:
        return f"{row.model_version} needs features that no longer exist ({', '.join(gone)})"
    from lightgbm.basic import LightGBMError

    try:
        predict(model, np.zeros((1, len(model.names)), np.float32))
    except (LightGBMError, LookupError, ValueError) as error:
        return f"the text of {row.model_version} cannot be scored ({error})"
    return None


def _champion(lake: Lake, row: ModelRow) -> Champion:
    return Champion(row.model_version, row.trained_as_of, load_model(lake, row))


def _able(lake: Lake, row: ModelRow, as_of: date) -> Champion:
    if reason := obstacle(lake, row):
        raise AudoticsError(
            f"the champion of {row.slate} as of {as_of} cannot serve: {reason};"
            f" `audotics run --as-of {as_of} --train` trains another, which then serves"
        )
    return _champion(lake, row)


def load_model(lake: Lake, row: ModelRow) -> RankerModel:
    """The model of a row of ml.models; AudoticsError when its file is not the one that was registered."""
    model_text = _read(lake, row, row.file, row.file_sha256)
    return RankerModel(
        text=model_text,
        names=row.features,
        gain=row.feature_importance,
        fold_dates=row.folds,
        rows=row.training_rows,
        positives=row.metrics["training_positives"],
        # A card keeps the parameters of its day; those that have gone since do not matter for scoring.
        config=config_of(row.params),
    )


def clean_model(lake: Lake, row: ModelRow, as_of: date) -> RankerModel | None:
    """The model of a row, or its stand-in, whichever saw nothing from `as_of` on; None when neither did.

    Raises:
        AudoticsError: the file is not the one that was registered.
    """
    if row.trained_as_of <= as_of:
        return load_model(lake, row)
    if row.stand_in_as_of is None or row.stand_in_as_of > as_of or not (row.stand_in_file and row.stand_in_sha256):
        return None
    return replace(load_model(lake, row), text=_read(lake, row, row.stand_in_file, row.stand_in_sha256))


def _read(lake: Lake, row: ModelRow, file: str, sha256: str) -> str:
    if not lake.exists(file):
        raise AudoticsError(f"the file of model {row.model_version} is not in the lake: restore {file}")
    model_text = lake.read_text(file, made_by="rankers")
    if _digest(model_text) != sha256:
        raise AudoticsError(
            f"the file of model {row.model_version} ({file}) is not the one that was registered: restore it"
        )
    return model_text


def _file(challenger: Challenger) -> str:
    return f"models/{challenger.model_version}.txt"


def _stand_in_file(challenger: Challenger) -> str:
    return f"models/{challenger.model_version}-stand-in.txt"


def _digest(model_text: str) -> str:
    return hashlib.sha256(model_text.encode()).hexdigest()


_COLUMNS = ", ".join(f"models.{field.name}" for field in fields(ModelRow))
_SERVING = text(
    f"select {_COLUMNS} from ml.champions inner join ml.models using (model_version)"
    " where champions.slate = :slate and champions.serves_from <= :as_of"
    " and (champions.serves_until > :as_of or champions.serves_until is null)"
)
_BY_VERSION = text(f"select {_COLUMNS} from ml.models where model_version = :model_version")

_JSON_COLUMNS = ("params", "features", "feature_importance", "metrics", "card")
_INSERT = text(
    "insert into ml.models (model_version, slate, trained_as_of, created_at, folds, params, features,"
    " feature_importance, metrics, training_rows, training_users, file, file_sha256, card, stand_in_as_of,"
    " stand_in_file, stand_in_sha256)"
    " values (:model_version, :slate, :trained_as_of, now(), :folds, :params, :features, :feature_importance,"
    " :metrics, :training_rows, :training_users, :file, :file_sha256, :card, :stand_in_as_of, :stand_in_file,"
    " :stand_in_sha256)"
    " on conflict (model_version) do nothing"
).bindparams(*(sa.bindparam(name, type_=JSONB) for name in _JSON_COLUMNS))
