"""Search indexes in the lake, by date."""

from collections.abc import Iterator
from datetime import date
from typing import IO

import pyarrow as pa

from serving_api.contract import SearchDescription, search_entries
from warehouse.lake import Lake

_FOLDER = "search_index"
MADE_BY = "search_index"


def _path(as_of: date) -> str:
    return f"{_FOLDER}/as_of={as_of.isoformat()}/index.parquet"


def store_index(lake: Lake, as_of: date, description: SearchDescription, archive: IO[bytes]) -> None:
    """Put an index in the place of that of the date; those of dates that were made long ago go."""
    entries = search_entries(description, archive)
    # One at a time is in memory.
    lake.write_parquet(_path(as_of), (pa.table({"field": [field], "value": [value]}) for field, value in entries))
    lake.expire(_FOLDER)


def stored_index(lake: Lake, as_of: date) -> Iterator[tuple[bytes, bytes]]:
    """The fields of the hash that the index of a date becomes in Redis, and what is in them.

    Raises AudoticsError: the lake has none, or it is damaged.
    """
    for table in lake.read_parquet(_path(as_of), made_by=MADE_BY):
        yield from zip(table["field"].to_pylist(), table["value"].to_pylist(), strict=True)
