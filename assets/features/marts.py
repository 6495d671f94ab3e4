"""Reads what the rankers need from the warehouse: feature marts as of a date."""

from collections.abc import Callable, Sequence
from datetime import date

import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.catalogue import read_track_artists
from assets.features.join import (
    ARTIST_COLUMNS,
    TRACK_COLUMNS,
    USER_ARTIST_COLUMNS,
    USER_COLUMNS,
    USER_TRACK_COLUMNS,
    FeatureFrames,
)
from assets.listens import Ints
from warehouse.dates import sql_date
from warehouse.errors import AudoticsError
from warehouse.frames import fetch_frame


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
    track_artist = read_track_artists(connection)

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


def _require_rows(connection: dbapi.Connection, model: str, as_of: date) -> None:
    if fetch_frame(connection, f"select as_of from features.{model} where {_as_of(as_of)} limit 1").empty:
        raise AudoticsError(
            f"no features as of {as_of}: features.{model} holds no rows of that date; materialise the asset group"
            f" `features` for the partition {as_of}, then this step again"
        )


def _as_of(as_of: date) -> str:
    return f"as_of = {sql_date(as_of)}"


def _read(
    connection: dbapi.Connection,
    model: str,
    columns: Sequence[str],
    as_of: date,
    user_keys: Ints | None = None,
) -> pd.DataFrame:
    members = "" if user_keys is None else " and user_key = any($1)"
    query = f"select {', '.join(columns)} from features.{model} where {_as_of(as_of)}{members}"
    return fetch_frame(connection, query, user_keys)
