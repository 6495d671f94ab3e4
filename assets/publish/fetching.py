"""Rows of the warehouse in batches, however large those are that the driver hands over."""

from collections.abc import Iterator
from typing import Any

from adbc_driver_postgresql import dbapi

ROWS_PER_BATCH = 20_000


def fetch_in_batches(
    connection: dbapi.Connection, query: str, rows_per_batch: int = ROWS_PER_BATCH
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a query as Python values, in its order; so many at once at most."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        for batch in cursor.fetch_record_batch():
            for start in range(0, batch.num_rows, rows_per_batch):
                columns = batch.slice(start, rows_per_batch).to_pydict().values()
                yield list(zip(*columns, strict=True))
