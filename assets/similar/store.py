"""Writes ml.similar_tracks and ml.similar_artists: one partition per `as_of`, replaced as a whole."""

from collections.abc import Iterable
from datetime import date
from functools import partial

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.listens import Floats, Ints
from assets.similar.sources import Item
from warehouse.lake import KEPT_DAYS
from warehouse.partitions import PartitionedTable, Row, drop_partition, replace_partition


def as_rows(item: Item, as_of: date, keys: Ints, similar_keys: Ints, scores: Floats) -> pa.Table:
    """Lists as rows of the item's table: `similar_keys` and `scores` have the shape (len(keys), k), -1 where a list is
    shorter than k.
    """
    row, place = (similar_keys >= 0).nonzero()
    columns = {
        "as_of": pa.repeat(pa.scalar(as_of, pa.date32()), len(row)),
        f"{item}_key": pa.array(keys[row], pa.int32()),
        "rank": pa.array(place + 1, pa.int16()),
        f"similar_{item}_key": pa.array(similar_keys[row, place], pa.int32()),
        "score": pa.array(scores[row, place], pa.float32()),
    }
    return pa.table(columns)


def replace_similar(connection: dbapi.Connection, item: Item, as_of: date, tables: Iterable[pa.Table]) -> int:
    """Replace the lists of an `as_of` as `replace_partition` does, and return the number of rows; drop partitions of no
    more use.

    A partition stays for KEPT_DAYS after it was made, and for as long as it is of the newest date or of a release that
    is live or previous. One that is being read is dropped by a later load.

    Raises:
        AudoticsError: another load of the date, or a reader, took too long; its session is named.
    """

    def record(cursor: dbapi.Cursor, counts: list[Row]) -> None:
        _delete_batch(cursor, item, as_of)
        cursor.execute(
            "insert into ml.similar_batches (as_of, item, items, rows, made_at) values ($1, $2, $3, $4, now())",
            (as_of, str(item), *counts[0]),
        )

    table = _table(item)
    summary = f"select count(distinct {item}_key), count(*) from {{loaded}}"
    rows = replace_partition(connection, table, as_of, tables, summary, record)
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRED, (str(item),))
        expired = [day for (day,) in cursor.fetchall()]
    for day in expired:
        drop_partition(connection, table, day, partial(_delete_batch, item=item, as_of=day))
    return rows


def _table(item: Item) -> PartitionedTable:
    return PartitionedTable(f"similar_{item}s", key=("as_of", f"{item}_key", "rank"))


def _delete_batch(cursor: dbapi.Cursor, item: Item, as_of: date) -> None:
    cursor.execute("delete from ml.similar_batches where as_of = $1 and item = $2", (as_of, str(item)))


_EXPIRED = f"""
    select batch.as_of
    from ml.similar_batches as batch
    where
        batch.item = $1
        and batch.made_at < now() - interval '{KEPT_DAYS} days'
        and batch.as_of < (select max(newest.as_of) from ml.similar_batches as newest where newest.item = batch.item)
        and not exists (
            select from ml.releases where releases.as_of = batch.as_of and releases.status in ('live', 'previous')
        )
"""
