"""Excel workbooks as batches of rows of text."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

import pyarrow as pa

from assets.ingest.files import InputFile
from assets.ingest.missing import MissingColumnError
from assets.ingest.records import REJECT_SCHEMA, RawBatch
from assets.ingest.workbook import Workbook
from warehouse.errors import AudoticsError

BATCH_ROWS = 64 << 10
NOT_WHOLE = (BadZipFile, EOFError, IndexError, KeyError, NotImplementedError, ParseError, ValueError, zlib.error)


def read_spreadsheet(
    file: InputFile, columns: Mapping[str, str], optional: Sequence[str] = (), sheet: str | None = None
) -> Iterator[RawBatch]:
    """Yield the rows of a sheet, one text column per key of `columns`, whose values name columns of the sheet.

    The first row with cells is the header. Without a name, it is the first sheet that has the columns. An empty cell
    is null; days and times come in ISO 8601.

    Raises:
        AudoticsError: the file is not a whole workbook, has no such sheet, or lacks a column whose field is not in
            `optional`.
    """
    try:
        with file.random_access() as stored, ZipFile(stored) as packed:
            book = Workbook(packed)
            name, header = _sheet(file, book, columns, optional, sheet)
            places = {field: _place(file, header, column) for field, column in columns.items()}
            rows = islice(book.rows(name), 1, None)
            yield _raw_batch([], places, 0.0)
            while batch := list(islice(rows, BATCH_ROWS)):
                yield _raw_batch(batch, places, batch[-1][2])
    except NOT_WHOLE as error:
        raise AudoticsError(f"{file} is not a whole Excel workbook ({error}); fetch or save it again") from error


def _sheet(
    file: InputFile, book: Workbook, columns: Mapping[str, str], optional: Sequence[str], wanted: str | None
) -> tuple[str, dict[str, list[int]]]:
    """Return the name of the sheet to read, and the places of its columns by name."""
    if wanted is not None and wanted not in book.sheets:
        raise AudoticsError(f"{file} has no sheet {wanted!r}; it has {', '.join(book.sheets)}")
    headers = {name: _header(book, name) for name in ([wanted] if wanted is not None else book.sheets)}
    needed = {field: column for field, column in columns.items() if field not in optional}
    for name, header in headers.items():
        if set(needed.values()) <= set(header):
            return name, header
    fullest = max(headers.values(), key=lambda header: len(set(needed.values()) & set(header)), default={})
    field = next(field for field, column in needed.items() if column not in fullest)
    raise MissingColumnError(file, field, [needed[field]], list(fullest))


def _header(book: Workbook, sheet: str) -> dict[str, list[int]]:
    _, cells, _ = next(book.rows(sheet), (0, {}, 0.0))
    places: dict[str, list[int]] = {}
    for column, text in cells.items():
        places.setdefault(text.strip(), []).append(column)
    return places


def _place(file: InputFile, header: Mapping[str, list[int]], column: str) -> int | None:
    places = header.get(column, [])
    if len(places) > 1:
        raise AudoticsError(f"{file} has {len(places)} columns named {column!r}; rename all but one")
    return places[0] if places else None


def _raw_batch(
    rows: Sequence[tuple[int, dict[int, str], float]], places: Mapping[str, int | None], done: float
) -> RawBatch:
    values: dict[str, pa.Array] = {"line": pa.array([number for number, *_ in rows], pa.int64())}
    for field, place in places.items():
        values[field] = pa.array([None if place is None else cells.get(place) for _, cells, _ in rows], pa.string())
    return RawBatch(pa.table(values), REJECT_SCHEMA.empty_table(), done)
