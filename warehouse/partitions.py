"""Tables of ml with one partition per `as_of`: a partition is replaced as a whole, while everything can be read."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from warehouse.dates import sql_date
from warehouse.errors import AudoticsError
from warehouse.locks import Lock, held, named, timed_out

# Whoever comes to read a partition while its exchange waits for those who read already, waits behind it: for so long,
# a few times a minute. Longer than PostgreSQL's deadlock_timeout (1 s), after which it lets an exchange past an
# autovacuum.
_LOCK_TIMEOUT_MS = 2_000
_PAUSE_SECONDS = 8.0

Row = tuple[Any, ...]


@dataclass(frozen=True)
class PartitionedTable:
    """A table of ml that is partitioned by `as_of`.

    Attributes:
        name: without the schema.
        key: the columns of its primary key.
        wait_seconds: for how long an exchange gives readers time to end before it gives up.
    """

    name: str
    key: tuple[str, ...]
    wait_seconds: float = 900

    def partition(self, as_of: date) -> str:
        """Name of the partition of a date, without the schema."""
        return f"{self.name}_{as_of:%Y%m%d}"

    def loading(self, as_of: date) -> str:
        """Name of the table that is to become that partition."""
        return f"{self.partition(as_of)}_loading"


def replace_partition(
    connection: dbapi.Connection,
    table: PartitionedTable,
    as_of: date,
    rows: Iterable[pa.Table],
    summary: str,
    record: Callable[[dbapi.Cursor, list[Row]], None],
) -> int:
    """Replace the rows of an `as_of` and return their number.

    They go to a table of their own, which then takes the old partition's place in one short transaction. While `rows`
    are being made no transaction is open, and nothing that others read or write is locked. The exchange needs the
    partition for itself: it waits for its readers for moments only, lets others pass in between, and gives up after
    `table.wait_seconds`. Readers see the old rows or the new ones. A load that is killed leaves the old ones, and a
    loading table that the next load of the date removes. Loads of one date wait for each other.

    Args:
        connection: of the table's owner, without autocommit; a transaction that is open is ended.
        summary: a query on `{loaded}`, which stands for the new rows.
        record: writes what that query found to other tables, in the transaction of the exchange; called again when
            the exchange is tried again.

    Raises:
        AudoticsError: another load of the date, or a reader, took too long; its session is named.
    """
    connection.commit()
    partition, loading = table.partition(as_of), table.loading(as_of)
    # Another load of the date may compute every row while it has the lock.
    lock = Lock(f"hashtext('{partition}')", f"writing ml.{partition}", wait_seconds=3600)
    with connection.cursor() as cursor, held(cursor, lock):
        try:
            loaded = _load(cursor, table, as_of, rows)
            cursor.execute(summary.format(loaded=f"ml.{loading}"))
            found = cursor.fetchall()
            connection.commit()

            def exchange() -> None:
                _exchange(cursor, table, as_of)
                record(cursor, found)

            _patiently(cursor, table, partition, exchange)
        finally:
            # After the exchange there is none. What failed may have taken the connection along; its own error is shown.
            with suppress(dbapi.Error):
                connection.rollback()
                cursor.execute(f"drop table if exists ml.{loading}")
                connection.commit()
    return loaded


def drop_partition(
    connection: dbapi.Connection, table: PartitionedTable, as_of: date, record: Callable[[dbapi.Cursor], None]
) -> bool:
    """Drop the partition of an `as_of` and `record` that in the same transaction.

    Args:
        connection: of the table's owner, without autocommit; a transaction that is open is ended.

    Returns:
        False, with nothing done, while somebody reads it.
    """
    connection.commit()
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"set local lock_timeout = {_LOCK_TIMEOUT_MS}")
            cursor.execute(f"drop table if exists ml.{table.partition(as_of)}")
            record(cursor)
            connection.commit()
        except dbapi.Error as error:
            connection.rollback()
            if timed_out(error):
                return False
            raise
    return True


def _load(cursor: dbapi.Cursor, table: PartitionedTable, as_of: date, rows: Iterable[pa.Table]) -> int:
    loading = table.loading(as_of)
    cursor.execute(f"drop table if exists ml.{loading}")
    # With the check that attaching asks for, it does not read all rows to see that they belong there.
    cursor.execute(
        f"create table ml.{loading} (like ml.{table.name} including comments including defaults including constraints,"
        f" constraint {table.partition(as_of)}_as_of check (as_of = {sql_date(as_of)}))"
    )
    cursor.connection.commit()
    loaded = 0
    for each in rows:
        loaded += cursor.adbc_ingest(loading, each, mode="append", db_schema_name="ml")
        cursor.connection.commit()
    cursor.execute(f"alter table ml.{loading} add primary key ({', '.join(table.key)})")
    # The new partition is read at once, before autovacuum would come to it.
    cursor.execute(f"analyze ml.{loading}")
    return loaded


def _exchange(cursor: dbapi.Cursor, table: PartitionedTable, as_of: date) -> None:
    partition, loading = table.partition(as_of), table.loading(as_of)
    cursor.execute(f"drop table if exists ml.{partition}")
    cursor.execute(f"alter table ml.{loading} rename to {partition}")
    cursor.execute(f"alter index ml.{loading}_pkey rename to {partition}_pkey")
    cursor.execute(f"alter table ml.{table.name} attach partition ml.{partition} for values in ({sql_date(as_of)})")


def _patiently(cursor: dbapi.Cursor, table: PartitionedTable, partition: str, exchange: Callable[[], None]) -> None:
    """Commit an exchange, trying again while sessions that read the table hold it up."""
    give_up_at = time.monotonic() + table.wait_seconds
    while True:
        try:
            # For the whole transaction: each of its statements locks something that others read.
            cursor.execute(f"set local lock_timeout = {_LOCK_TIMEOUT_MS}")
            exchange()
            cursor.connection.commit()
        except dbapi.Error as error:
            cursor.connection.rollback()
            if not timed_out(error):
                raise
            if time.monotonic() > give_up_at:
                raise _given_up(cursor, table, partition) from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _given_up(cursor: dbapi.Cursor, table: PartitionedTable, partition: str) -> AudoticsError:
    cursor.execute(_READERS, (table.name, partition))
    readers = [(int(pid), str(user)) for pid, user in cursor.fetchall()]
    cursor.connection.rollback()
    waited = f"gave up after {table.wait_seconds:g} s of waiting to replace ml.{partition}, which keeps its old rows:"
    if not readers:
        return AudoticsError(f"{waited} it was read all the time, by nobody now; try again")
    return AudoticsError(f"{waited} it is read by {named(readers)}")


_READERS = """
select distinct locks.pid, activity.usename
from pg_locks as locks
inner join pg_stat_activity as activity on locks.pid = activity.pid
inner join pg_class on pg_class.oid = locks.relation
where
    pg_class.relnamespace = 'ml'::regnamespace and pg_class.relname in ($1, $2)
    and locks.granted and locks.pid <> pg_backend_pid()
    and locks.database = (select oid from pg_database where datname = current_database())
order by locks.pid
"""
