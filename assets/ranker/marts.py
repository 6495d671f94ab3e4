"""Reads what the rankers need from the warehouse: feature marts as of a date."""

from collections.abc import Callable, Sequence
from datetime import date

import pandas as pd
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, text

from assets.candidates.history import Ints
from assets.ranker.features import (
    ARTIST_COLUMNS,
    TRACK_COLUMNS,
    USER_ARTIST_COLUMNS,
    USER_COLUMNS,
    USER_TRACK_COLUMNS,
    FeatureFrames,
)
from warehouse.errors import AudoticsError


def feature_reader(connection: dbapi.Connection, as_of: date) -> Callable[[Ints], FeatureFrames]:
    """A function from user keys to their feature frames as of a date.

    What does not depend on the user is read once, so memory grows with the catalogue and the batch, not with users.

    Raises:
        AudoticsError: the marts hold no features as of the date. Candidates joined to nothing would be ranked as well.
    """
    for model in ("feat_user", "feat_track"):
        _require_rows(connection, model, as_of)
    track = _read(connection, "feat_track", ("track_key", *TRACK_COLUMNS), as_of)
    artist = _read(connection, "feat_artist", ("artist_key", *ARTIST_COLUMNS), as_of)
    track_artist = _fetch(connection, "select track_key, artist_key from core.dim_tracks")

    def of_users(user_keys: Ints) -> FeatureFrames:
        return FeatureFrames(
            user=_read(connection, "feat_user", ("user_key", *USER_COLUMNS), as_of, user_keys),
            track=track,
            artist=artist,
            user_track=_read(
                connection,
                "feat_user_track",
                ("user_key", "track_key", *USER_TRACK_COLUMNS),
                as_of,
                user_keys,
            ),
            user_artist=_read(
                connection,
                "feat_user_artist",
                ("user_key", "artist_key", *USER_ARTIST_COLUMNS),
                as_of,
                user_keys,
            ),
            track_artist=track_artist,
        )

    return of_users


def require_listens_before(connection: Connection, as_of: date) -> None:
    """Raise AudoticsError, saying when listening starts, when there is nothing to learn from as of a date."""
    first = connection.scalar(text("select min(listened_at) from core.fct_listens"))
    if first is None:
        raise AudoticsError(f"no listens to learn from as of {as_of}: the warehouse is empty; ingest some first")
    if first.date() >= as_of:
        raise AudoticsError(
            f"no listens before {as_of}: the first one is of {first:%Y-%m-%d %H:%M} UTC;"
            " choose a later --as-of or ingest older listens"
        )


def _require_rows(connection: dbapi.Connection, model: str, as_of: date) -> None:
    if _fetch(connection, f"select as_of from features.{model} where {_as_of(as_of)} limit 1").empty:
        raise AudoticsError(
            f"no features as of {as_of}: features.{model} holds no rows of that date; materialise the asset group"
            f" `features` for the partition {as_of}, then this step again"
        )


def _as_of(as_of: date) -> str:
    return f"as_of = date '{as_of.isoformat()}'"


def _read(
    connection: dbapi.Connection,
    model: str,
    columns: Sequence[str],
    as_of: date,
    user_keys: Ints | None = None,
) -> pd.DataFrame:
    members = "" if user_keys is None else " and user_key = any($1)"
    query = f"select {', '.join(columns)} from features.{model} where {_as_of(as_of)}{members}"
    return _fetch(connection, query, user_keys)


def _fetch(connection: dbapi.Connection, query: str, user_keys: Ints | None = None) -> pd.DataFrame:
    with connection.cursor() as cursor:
        if user_keys is None:
            cursor.execute(query)
        else:
            keys = pa.array([user_keys], type=pa.list_(pa.int32()))
            cursor.execute(query, parameters=pa.record_batch([keys], names=["user_keys"]))
        return cursor.fetch_arrow_table().to_pandas()
