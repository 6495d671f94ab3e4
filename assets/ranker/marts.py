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
from assets.ranker.lists import ListRules
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


def read_track_artists(connection: dbapi.Connection) -> pd.DataFrame:
    """track_key and artist_key (null where unknown) of the whole catalogue."""
    return _fetch(connection, "select track_key, artist_key from core.dim_tracks")


def read_countries(connection: dbapi.Connection, user_keys: Ints) -> "pd.Series[str]":
    """The country by user key, of those of the users whose profile states one."""
    query = "select user_key, country from core.dim_users where user_key = any($1) and country is not null"
    return _fetch(connection, query, user_keys).set_index("user_key")["country"]


def read_list_rules(connection: dbapi.Connection) -> ListRules:
    """The rules of lists for today's catalogue and the blocks there are now, whatever date the lists are of."""
    return ListRules(
        _fetch(connection, "select track_key, artist_key, title from core.dim_tracks"),
        _fetch(connection, "select user_key, item_kind, item_key from raw.blocks"),
    )


def keys_by_id(connection: dbapi.Connection, kind: str, ids: Sequence[str]) -> "pd.Series[int]":
    """The key of each public id of a "user" or a "track"; ids that the warehouse does not know are left out."""
    with connection.cursor() as cursor:
        wanted = pa.array([ids], type=pa.list_(pa.string()))
        cursor.execute(
            f"select {kind}_id, {kind}_key from core.dim_{kind}s where {kind}_id = any($1)",
            parameters=pa.record_batch([wanted], names=["ids"]),
        )
        found = cursor.fetch_arrow_table().to_pandas()
    return found.set_index(f"{kind}_id")[f"{kind}_key"]


def user_ids(connection: dbapi.Connection, user_keys: Ints) -> dict[int, str]:
    """The public id of each user key."""
    found = _fetch(connection, "select user_key, user_id from core.dim_users where user_key = any($1)", user_keys)
    return dict(zip(found["user_key"].tolist(), found["user_id"], strict=True))


def with_titles(connection: dbapi.Connection, lists: pd.DataFrame) -> pd.DataFrame:
    """The rows of lists with track_id, title and artist beside them; the last two None where the source gave none."""
    query = "select track_key, track_id, title, artist_name as artist from core.dim_tracks where track_key = any($1)"
    named = _fetch(connection, query, lists["track_key"].unique().astype("int32"))
    return lists.merge(named.astype(object).where(named.notna(), None).astype({"track_key": "int32"}), how="left")


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
