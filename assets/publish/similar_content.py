"""Artists and similar lists of a release, read from the warehouse in batches."""

from collections.abc import Iterator
from datetime import date

import numpy as np
from adbc_driver_postgresql import dbapi

from assets.public import LEAST_LISTENERS
from assets.publish.content import SimilarBatch
from assets.publish.fetching import fetch_in_batches, list_offsets
from assets.similar.sources import Item
from serving_api.contract import Artist
from warehouse.dates import sql_date
from warehouse.errors import AudoticsError
from warehouse.frames import fetch_frame

ARTIST_TRACKS = 100
_KEYS_PER_BATCH = 20_000


def require_similar(connection: dbapi.Connection, as_of: date) -> None:
    """Raise AudoticsError unless similar tracks and artists were looked for as of the date."""
    with connection.cursor() as cursor:
        cursor.execute("select item from ml.similar_batches where as_of = $1", (as_of,))
        made = {item for (item,) in cursor.fetchall()}
    missing = [f"similar_{item}s" for item in Item if item not in made]
    if missing:
        raise AudoticsError(f"nothing was made as of {as_of} for a release: materialise {' and '.join(missing)} first")


def heard_artists(connection: dbapi.Connection, as_of: date) -> Iterator[list[Artist]]:
    """The artists of the tracks that had been heard by then."""
    rows = fetch_in_batches(
        connection,
        "select artist_key, artist_id, artist_name, artist_mbid from core.dim_artists where artist_key in"
        " (select artist_key from core.dim_tracks inner join features.feat_track using (track_key)"
        f" where as_of = {sql_date(as_of)}) order by artist_key",
    )
    for batch in rows:
        yield [Artist(*row) for row in batch]


def artist_tracks(connection: dbapi.Connection, as_of: date) -> Iterator[SimilarBatch]:
    """The tracks of each artist as of the date, at most ARTIST_TRACKS of them: as popular tracks are ranked.

    Of those that LEAST_LISTENERS people had heard by then; their score is the number of listeners in the last 30 days,
    0 where these are fewer.
    """
    keys = fetch_frame(connection, "select coalesce(max(artist_key), -1) + 1 as keys from core.dim_artists")
    end = int(keys["keys"].iloc[0])
    for start in range(0, end, _KEYS_PER_BATCH):
        rows = fetch_frame(
            connection,
            "with listed as (select artist_key, track_key, listeners,"
            f" case when listeners_30d >= {LEAST_LISTENERS} then listeners_30d else 0 end as recent"
            " from features.feat_track inner join core.dim_tracks using (track_key)"
            f" where as_of = {sql_date(as_of)} and listeners >= {LEAST_LISTENERS}"
            f" and artist_key >= {start} and artist_key < {start + _KEYS_PER_BATCH}),"
            " ranked as (select artist_key, track_key, recent, row_number() over"
            " (partition by artist_key order by recent desc, listeners desc, track_key) as rank from listed)"
            f" select artist_key, track_key, recent from ranked where rank <= {ARTIST_TRACKS}"
            " order by artist_key, rank",
        )
        offsets = list_offsets(rows["artist_key"])
        yield SimilarBatch(
            keys=rows["artist_key"].to_numpy(np.int32)[offsets[:-1]],
            offsets=offsets,
            similar_keys=rows["track_key"].to_numpy(np.int32),
            scores=rows["recent"].to_numpy(np.float32),
        )


def similar_lists(connection: dbapi.Connection, as_of: date, item: str) -> Iterator[SimilarBatch]:
    """Every list in ml.similar_tracks or ml.similar_artists as of the date."""
    lists = f"from ml.similar_{item}s where as_of = {sql_date(as_of)}"
    end = int(fetch_frame(connection, f"select coalesce(max({item}_key), -1) + 1 as keys {lists}")["keys"].iloc[0])
    # Keys are dense, so a range of them holds about as many lists.
    for start in range(0, end, _KEYS_PER_BATCH):
        rows = fetch_frame(
            connection,
            f"select {item}_key as key, similar_{item}_key as similar_key, score {lists}"
            f" and {item}_key >= {start} and {item}_key < {start + _KEYS_PER_BATCH} order by {item}_key, rank",
        )
        offsets = list_offsets(rows["key"])
        yield SimilarBatch(
            keys=rows["key"].to_numpy(np.int32)[offsets[:-1]],
            offsets=offsets,
            similar_keys=rows["similar_key"].to_numpy(np.int32),
            scores=rows["score"].to_numpy(np.float32),
        )
