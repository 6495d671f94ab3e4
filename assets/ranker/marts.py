"""Reads what the rankers need from the warehouse: feature marts as of a date, and which of them are out of date."""

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

# Every feature mart adds up to the listens before its date; the artist ones to those of tracks with an artist.
_MARTS = ("feat_user_track", "feat_user", "feat_track", "feat_user_artist", "feat_artist")
_ARTIST_MARTS = ("feat_user_artist", "feat_artist")
_LISTENS_BEFORE = text(
    "select dates.as_of, count(listens.user_key) as listens, count(listens.artist_key) as listens_with_artist"
    " from unnest(cast(:dates as date[])) as dates (as_of) left join core.fct_listens as listens"
    " on listens.listened_at < dates.as_of::timestamp at time zone 'UTC' group by dates.as_of order by dates.as_of"
)


def feature_reader(connection: dbapi.Connection, as_of: date) -> Callable[[Ints], FeatureFrames]:
    """A function from user keys to their feature frames as of a date.

    What does not depend on the user is read once, so memory grows with the catalogue and the batch, not with users.
    """
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


def stale_feature_dates(connection: Connection, dates: Sequence[date]) -> list[date]:
    """Those of the dates of which some feature mart does not count exactly the listens before it.

    They were never built, built in part, or built before older listens arrived. Dates before the first listen have
    no features and are left out.
    """
    parameters = {"dates": list(dates)}
    counted = {mart: _listens_counted(connection, mart, parameters) for mart in _MARTS}
    stale = []
    for row in connection.execute(_LISTENS_BEFORE, parameters):
        expected = {mart: row.listens_with_artist if mart in _ARTIST_MARTS else row.listens for mart in _MARTS}
        if row.listens and any(counted[mart].get(row.as_of, 0) != expected[mart] for mart in _MARTS):
            stale.append(row.as_of)
    return stale


def _listens_counted(connection: Connection, mart: str, parameters: dict[str, list[date]]) -> dict[date, int]:
    """Listens that a mart counts, per date; empty when it was never built."""
    if connection.scalar(text("select to_regclass(:name)"), {"name": f"features.{mart}"}) is None:
        return {}
    query = f"select as_of, sum(listens)::bigint from features.{mart} where as_of = any(:dates) group by as_of"
    return dict(connection.execute(text(query), parameters).tuples().all())


def _read(
    connection: dbapi.Connection,
    model: str,
    columns: Sequence[str],
    as_of: date,
    user_keys: Ints | None = None,
) -> pd.DataFrame:
    members = "" if user_keys is None else " and user_key = any($1)"
    query = f"select {', '.join(columns)} from features.{model} where as_of = date '{as_of.isoformat()}'{members}"
    return _fetch(connection, query, user_keys)


def _fetch(connection: dbapi.Connection, query: str, user_keys: Ints | None = None) -> pd.DataFrame:
    with connection.cursor() as cursor:
        if user_keys is None:
            cursor.execute(query)
        else:
            keys = pa.array([user_keys], type=pa.list_(pa.int32()))
            cursor.execute(query, parameters=pa.record_batch([keys], names=["user_keys"]))
        return cursor.fetch_arrow_table().to_pandas()
