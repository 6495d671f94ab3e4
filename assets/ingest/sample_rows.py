"""The first rows of a file of any table format, as texts by column, with what a mapping has to say to read it so."""

import csv
import io
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from zipfile import ZipFile

import duckdb
import pyarrow.parquet as pq

from assets.ingest.delimited import DELIMITER, LIKELY_DELIMITERS, SEPARATOR_LINE
from assets.ingest.encodings import utf8_blocks
from assets.ingest.files import InputFile
from assets.ingest.json_documents import read_rows
from assets.ingest.json_rows import is_json_lines
from assets.ingest.lines import read_lines
from assets.ingest.refusal import faults_named
from assets.ingest.spreadsheets import NOT_WHOLE
from assets.ingest.streams import damage_named
from assets.ingest.synonyms import fields_named
from assets.ingest.time_units import fitting_units
from assets.ingest.workbook import Workbook
from warehouse.errors import AudoticsError

ROWS = 2000
_HEAD_BYTES = 1 << 20
_LIKELY_ENCODING = "cp1252"
# A header stands no further down.
_LINES_BEFORE_HEADER = 20


@dataclass(frozen=True)
class Sample:
    """What the beginning of a file shows.

    Attributes:
        rows: how many rows were read.
        columns: the given values of each column, or path into JSON or Parquet, in the order of the file.
        keys: keys of a mapping that say how the file is written, where that is not what a mapping assumes.
        doubts: what may be otherwise, for people.
    """

    rows: int
    columns: dict[str, list[str]]
    keys: dict[str, Any]
    doubts: list[str]


def read_sample(file: InputFile) -> Sample:
    """Read the first rows of a CSV, TSV, JSON, Parquet or Excel file, whatever its name.

    Raises:
        AudoticsError: it has no rows, or is damaged.
    """
    with faults_named(file), damage_named(file.shown):
        sample = _read_sample(file)
    if not sample.rows:
        raise AudoticsError(f"{file} has no rows to suggest a mapping from; give a file with some")
    return sample


def _read_sample(file: InputFile) -> Sample:
    with file.open() as stream:
        head = stream.read(_HEAD_BYTES)
    suffix = PurePosixPath(file.plain_name).suffix.lower()
    if head.startswith(b"PAR1"):
        return _of_objects(_parquet_rows(file), _said(suffix, "parquet"), quote_names=False)
    if head.startswith(b"PK"):
        return _workbook(file, _said(suffix, "xlsx"))
    is_table = suffix in (".csv", ".tsv")
    if not is_table and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return _json(file, suffix)
    return _delimited(file, suffix)


def _said(suffix: str, *formats: str) -> dict[str, Any]:
    """The key `format`, where the extension does not say it."""
    return {} if suffix.removeprefix(".") in formats else {"format": formats[0]}


def _of_objects(rows: Iterable[Mapping[str, Any]], keys: dict[str, Any], quote_names: bool = True) -> Sample:
    columns: dict[str, list[str]] = {}
    sampled = list(rows)
    for row in sampled:
        for path, text in _flat(row, quote_names):
            columns.setdefault(path, []).append(text)
    return Sample(len(sampled), columns, keys, [])


def _flat(value: Any, quote_names: bool, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted paths to single values and these as text; of a list the first."""
    if isinstance(value, dict):
        for name, each in value.items():
            name = _as_text(name)
            step = f'"{name}"' if quote_names and ("." in name or name.isdigit()) else name
            yield from _flat(each, quote_names, f"{path}.{step}" if path else step)
    elif isinstance(value, list):
        yield from _flat(value[0] if value else None, quote_names, f"{path}.0")
    elif isinstance(value, bool):
        yield path, str(value).lower()
    elif isinstance(value, date):
        yield path, value.isoformat()
    elif isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        yield path, _as_text(str(value).strip())


def _as_text(value: str) -> str:
    """The text with `?` for half a pair of code units, which JSON can write and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode()


def _parquet_rows(file: InputFile) -> Iterator[dict[str, Any]]:
    with file.random_access() as stored, pq.ParquetFile(stored) as parquet:
        for batch in parquet.iter_batches(batch_size=ROWS):
            yield from batch.to_pylist()
            return


def _json(file: InputFile, suffix: str) -> Sample:
    is_lines = is_json_lines(file, None)
    keys = _said(suffix, "jsonl", "ndjson", "json") if is_lines else _said(suffix, "json", "jsonl")
    rows = list(_objects(read_lines(file) if is_lines else read_rows(file, ())))
    if len(rows) == 1 and "listened_at" not in fields_named(rows[0]):
        path, within = _longest_list(rows[0])
        if within:
            return _of_objects(within[:ROWS], keys | {"rows": ".".join(path)})
    return _of_objects(rows, keys)


def _objects(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    texts = (text for batch in batches for text in batch.lines["text"].to_pylist())
    for text in islice(texts, ROWS):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _longest_list(value: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the keys that lead to the longest list of objects in an object, and the list."""
    found: list[tuple[list[str], list[dict[str, Any]]]] = [([], [])]
    for name, each in value.items():
        if isinstance(each, list) and each and isinstance(each[0], dict):
            found.append(([name], [row for row in each if isinstance(row, dict)]))
        elif isinstance(each, dict):
            path, rows = _longest_list(each)
            found.append(([name, *path], rows))
    return max(found, key=lambda each: len(each[1]))


def _workbook(file: InputFile, keys: dict[str, Any]) -> Sample:
    try:
        with file.random_access() as stored, ZipFile(stored) as packed:
            book = Workbook(packed)
            sheets = [[cells for _, cells, _ in islice(book.rows(name), ROWS + 1)] for name in book.sheets]
    except NOT_WHOLE as error:
        raise AudoticsError(f"{file} is not a whole Excel workbook ({error}); fetch or save it again") from error
    rows = max(sheets, key=lambda rows: len(fields_named(rows[0].values())) if rows else -1, default=[])
    header = {place: text.strip() for place, text in rows[0].items()} if rows else {}
    named = ({name: cells.get(place) for place, name in header.items()} for cells in rows[1:])
    return _of_objects(named, keys, quote_names=False)


def _delimited(file: InputFile, suffix: str) -> Sample:
    keys, doubts = _said(suffix, "csv", "tsv"), list[str]()
    text, encoding = _text(file)
    if encoding:
        keys["encoding"] = encoding
        doubts.append(f"the file is not UTF-8: read as {encoding}, check names with accents")
    lines = text.splitlines(keepends=True)
    separator = SEPARATOR_LINE.fullmatch(lines[0].rstrip()) if lines else None
    lines = lines[1:] if separator else lines
    if any(line.startswith("#") for line in lines[:1]):
        keys["comment"] = "#"
        lines = [line for line in lines if not line.startswith("#")]
    delimiter, quote = (separator[1], '"') if separator else _sniffed("".join(lines))
    if not separator and delimiter != DELIMITER.get(suffix.removeprefix("."), ","):
        keys["delimiter"] = delimiter
    if quote != '"':
        keys["quote"] = quote
    place = _header_line(lines, delimiter, quote)
    if place:
        keys["skip_lines"] = place
    rows = list(
        islice(csv.reader(io.StringIO("".join(lines[place or 0 :])), delimiter=delimiter, quotechar=quote), ROWS)
    )
    if place is None and rows and not _is_header(rows):
        names = [f"column{number}" for number in range(1, len(rows[0]) + 1)]
        keys["header"] = names
        doubts.append(f"the first row is not a header: {', '.join(rows[0])}")
    else:
        names, rows = [name.strip() for name in rows[0]] if rows else [], rows[1:]
    columns = {
        name: [row[at].strip() for row in rows if len(row) == len(names) and row[at]] for at, name in enumerate(names)
    }
    return Sample(len(rows), columns, keys, doubts)


def _is_header(rows: list[list[str]]) -> bool:
    """Whether there are times under a first row that has none, whatever its words are."""
    columns = zip(*(row for row in rows if len(row) == len(rows[0])), strict=True)
    return any(fitting_units(rest) and not fitting_units([first]) for first, *rest in columns if rest)


def _text(file: InputFile) -> tuple[str, str | None]:
    """Return the beginning of a text file, whole lines of it, and its encoding where a mapping has to say it."""
    for encoding in (None, _LIKELY_ENCODING, "latin-1"):
        with file.open() as stream:
            head = next(utf8_blocks(stream, encoding, _HEAD_BYTES), b"")
        head = head[: head.rfind(b"\n") + 1] or head
        try:
            return head.decode("utf-8"), encoding
        except UnicodeDecodeError:
            continue
    raise AudoticsError(f"cannot tell the encoding of {file}; convert it to UTF-8")


def _sniffed(text: str) -> tuple[str, str]:
    """Return the delimiter and the quotation mark, as DuckDB's sniffer sees them."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".csv") as sample:
        sample.write(text)
        sample.flush()
        with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as connection:
            query = "SELECT Delimiter, Quote, len(Columns) FROM sniff_csv($path, sample_size = -1, strict_mode = false)"
            try:
                delimiter, quote, columns = connection.execute(query, {"path": sample.name}).fetchall()[0]
            except duckdb.Error:
                delimiter, quote, columns = ",", '"', 1
    if columns == 1 or delimiter not in LIKELY_DELIMITERS:
        # Rows of several lengths make it see one column.
        delimiter = max(LIKELY_DELIMITERS, key=text.partition("\n")[0].count)
    return delimiter, quote if quote in ("'", '"') else '"'


def _header_line(lines: list[str], delimiter: str, quote: str) -> int | None:
    """Return how many lines stand before the header; None if there is none whose words are known."""
    for place, line in enumerate(lines[:_LINES_BEFORE_HEADER]):
        cells = next(csv.reader([line], delimiter=delimiter, quotechar=quote), [])
        if len(fields_named(cells)) >= min(2, len(cells)) and cells:
            return place
    return None
