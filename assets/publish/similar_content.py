"""Artists and similar lists of a release, read from the warehouse in batches."""

from collections.abc import Iterator
from datetime import date

import numpy as np
from adbc_driver_postgresql import dbapi

from assets.publish.content import SimilarBatch
from assets.publish.fetching import fetch_in_batches
from assets.similar.sources import Item
from serving_api.contract import Artist
from warehouse.errors import AudoticsError

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
        f" where as_of = {_day(as_of)}) order by artist_key",
    )
    for batch in rows:
        yield [Artist(*row) for row in batch]


def similar_lists(connection: dbapi.Connection, as_of: date, item: str) -> Iterator[SimilarBatch]:
    """Every list in ml.similar_tracks or ml.similar_artists as of the date."""
    lists = f"from ml.similar_{item}s where as_of = {_day(as_of)}"
    with connection.cursor() as cursor:
        cursor.execute(f"select max({item}_key) {lists}")
        (last,) = cursor.fetchone() or (None,)
        # Keys are dense, so a range of them holds about as many lists; without any there is none.
        for start in range(0, -1 if last is None else last + 1, _KEYS_PER_BATCH):
            cursor.execute(
                f"select {item}_key as key, similar_{item}_key as similar_key, score {lists}"
                f" and {item}_key >= {start} and {item}_key < {start + _KEYS_PER_BATCH} order by {item}_key, rank"
            )
            rows = cursor.fetch_arrow_table()
            keys, starts = np.unique(rows["key"].to_numpy(), return_index=True)
            yield SimilarBatch(
                keys=keys.astype(np.int32),
                offsets=np.append(starts, rows.num_rows).astype(np.int64),
                similar_keys=rows["similar_key"].to_numpy().astype(np.int32),
                scores=rows["score"].to_numpy().astype(np.float32),
            )


def _day(as_of: date) -> str:
    return f"date '{as_of.isoformat()}'"
