"""How the content of a release is read: queries in batches of rows, and where the lists in a frame begin."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from adbc_driver_postgresql import dbapi
from numpy.typing import NDArray

ROWS_PER_BATCH = 20_000


def fetch_in_batches(
    connection: dbapi.Connection, query: str, rows_per_batch: int = ROWS_PER_BATCH
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a query as Python values, in its order; so many at once at most, whatever the driver hands over."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        for batch in cursor.fetch_record_batch():
            for start in range(0, batch.num_rows, rows_per_batch):
                columns = batch.slice(start, rows_per_batch).to_pydict().values()
                yield list(zip(*columns, strict=True))


def list_offsets(owners: "pd.Series[Any]") -> NDArray[np.int64]:
    """Where the lists of rows that lie together begin, by whose they are, and where the last one ends."""
    starts = np.flatnonzero(owners.ne(owners.shift()).to_numpy())
    return np.append(starts, len(owners)).astype(np.int64)
