"""Writes ml.similar_tracks and ml.similar_artists: one partition per `as_of`, replaced as a whole."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import date

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.listens import Floats, Ints
from assets.similar.sources import Item
from warehouse.lake import KEPT_DAYS
from warehouse.locks import Lock, acquire


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
    """Replace the lists of an `as_of` and return the number of rows; drop partitions of no more use.

    Everything happens in one transaction: readers see the old lists or the new ones, and of a load that dies nothing
    is left. They wait only while partitions are exchanged at its end. Loads wait for each other.

    A partition stays for KEPT_DAYS after it was made, and for as long as it is of the newest date or of a release that
    is live or previous.

    Raises:
        AudoticsError: another load has the lock for too long.
    """
    try:
        with connection.cursor() as cursor:
            rows = _replace(cursor, item, as_of, tables)
            _expire(cursor, item)
        connection.commit()
    finally:
        # What failed may have taken the connection along; its own error is the one to show.
        with suppress(dbapi.Error):
            connection.rollback()
    return rows


def _replace(cursor: dbapi.Cursor, item: Item, as_of: date, tables: Iterable[pa.Table]) -> int:
    partition = f"similar_{item}s_{as_of:%Y%m%d}"
    # Another load computes its lists while it has the lock.
    acquire(cursor, Lock(f"hashtext('ml.similar_{item}s')", f"writing ml.similar_{item}s", wait_seconds=3600))
    cursor.execute(
        f"create table ml.{partition}_loading (like ml.similar_{item}s including comments including constraints,"
        f" constraint {partition}_as_of check (as_of = date '{as_of.isoformat()}'))"
    )
    rows = 0
    for table in tables:
        rows += cursor.adbc_ingest(f"{partition}_loading", table, mode="append", db_schema_name="ml")
    cursor.execute(f"alter table ml.{partition}_loading add primary key (as_of, {item}_key, rank)")
    cursor.execute(f"analyze ml.{partition}_loading")
    cursor.execute("delete from ml.similar_batches where as_of = $1 and item = $2", (as_of, str(item)))
    cursor.execute(
        "insert into ml.similar_batches (as_of, item, items, rows, made_at)"
        f" select $1, $2, count(distinct {item}_key), count(*), now() from ml.{partition}_loading",
        (as_of, str(item)),
    )
    _exchange(cursor, item, as_of, partition)
    return rows


def _exchange(cursor: dbapi.Cursor, item: Item, as_of: date, partition: str) -> None:
    cursor.execute(f"drop table if exists ml.{partition}")
    cursor.execute(f"alter table ml.{partition}_loading rename to {partition}")
    cursor.execute(f"alter index ml.{partition}_loading_pkey rename to {partition}_pkey")
    cursor.execute(
        f"alter table ml.similar_{item}s attach partition ml.{partition} for values in (date '{as_of.isoformat()}')"
    )


def _expire(cursor: dbapi.Cursor, item: Item) -> None:
    cursor.execute(_EXPIRE, (str(item),))
    for (as_of,) in cursor.fetchall():
        cursor.execute(f"drop table if exists ml.similar_{item}s_{as_of:%Y%m%d}")


_EXPIRE = f"""
    delete from ml.similar_batches as batch
    where
        batch.item = $1
        and batch.made_at < now() - interval '{KEPT_DAYS} days'
        and batch.as_of < (select max(newest.as_of) from ml.similar_batches as newest where newest.item = batch.item)
        and not exists (
            select from ml.releases where releases.as_of = batch.as_of and releases.status in ('live', 'previous')
        )
    returning batch.as_of
"""
