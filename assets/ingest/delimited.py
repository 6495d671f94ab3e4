"""CSV, TSV and unquoted tab-separated files, split into fields without a loop over rows."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.duck import connect_offline
from assets.ingest.encodings import encoding_advice
from assets.ingest.files import InputFile
from assets.ingest.lines import LineBatch, read_lines
from assets.ingest.records import REJECT_SCHEMA, RawBatch, unsplit
from warehouse.errors import AudoticsError

# A quoted field that is still open after this many lines is taken for a stray quotation mark.
_MOST_LINES_PER_ROW = 100


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written.

    Attributes:
        delimiter: one character.
        quoted: whether a field may stand in double quotes (RFC 4180: a quote within is doubled).
        header: the column names of a file whose first row is not a header.
        encoding: as `encodings.utf8_blocks` takes it.
    """

    delimiter: str
    quoted: bool
    header: tuple[str, ...] | None = None
    encoding: str | None = None


def read_delimited(
    file: InputFile, layout: Layout, columns: Mapping[str, str], optional: Sequence[str] = ()
) -> Iterator[RawBatch]:
    """Yield the file's rows as text, one column per key of `columns`, whose values name columns of the file.

    Rows with another number of fields than the header are rejected as `wrong_column_count`. A quotation mark that
    does not enclose a whole field is part of the text.

    Raises:
        AudoticsError: a column is missing and its field is not in `optional`, or the header cannot be read.
    """
    pending: pa.Table | None = None
    batches = read_lines(file, layout.encoding)
    names, first = (list(layout.header), None) if layout.header else _header(file, batches, layout)
    positions = _positions(file, names, columns, optional)
    splitter = _QuotedSplitter(layout.delimiter, len(names)) if layout.quoted else None
    for batch in _chain(first, batches):
        lines = pa.concat_tables([pending, batch.lines]) if pending else batch.lines
        if splitter:
            lines, pending = splitter.join_lines(lines, is_last=False)
        yield _raw_batch(lines, batch, layout, splitter, positions, len(names))
    if splitter and pending:
        lines, _ = splitter.join_lines(pending, is_last=True)
        rest = LineBatch(lines, REJECT_SCHEMA.empty_table(), 1.0)
        yield _raw_batch(lines, rest, layout, splitter, positions, len(names))


def _chain(first: LineBatch | None, rest: Iterator[LineBatch]) -> Iterator[LineBatch]:
    if first is not None:
        yield first
    yield from rest


def _header(file: InputFile, batches: Iterator[LineBatch], layout: Layout) -> tuple[list[str], LineBatch]:
    """Return the column names and the first batch without the header line."""
    batch = next(batches, None)
    if batch is None:
        raise AudoticsError(f"{file} is empty; it should begin with a header line")
    rejected = batch.rejects["line"]
    if batch.lines.num_rows == 0 or (len(rejected) and rejected[0].as_py() < batch.lines["line"][0].as_py()):
        raise AudoticsError(f"{file}: the header line is not UTF-8 text; {encoding_advice(file)}")
    text = batch.lines["text"][0].as_py()
    names = next(csv.reader([text], delimiter=layout.delimiter)) if layout.quoted else text.split(layout.delimiter)
    return [name.strip() for name in names], LineBatch(batch.lines.slice(1), batch.rejects, batch.done)


def _positions(
    file: InputFile, names: list[str], columns: Mapping[str, str], optional: Sequence[str]
) -> dict[str, int | None]:
    """Return the place of each field's column; None for an optional one that the file does not have."""
    positions: dict[str, int | None] = {}
    for field, column in columns.items():
        if names.count(column) > 1:
            raise AudoticsError(f"{file} has {names.count(column)} columns named {column!r}; rename all but one")
        if column not in names and field not in optional:
            raise AudoticsError(missing_column(file, field, column, names))
        positions[field] = names.index(column) if column in names else None
    return positions


def missing_column(file: InputFile, field: str, column: str, names: Sequence[str]) -> str:
    """Return the message for a mapping that names a column which the file does not have."""
    return (
        f"{file} has no column {column!r}, which the mapping names for {field}; it has {', '.join(names)}. "
        f"Correct the mapping, or add {field!r} to its `optional` list if some files lack it"
    )


def _raw_batch(
    lines: pa.Table,
    batch: LineBatch,
    layout: Layout,
    splitter: "_QuotedSplitter | None",
    positions: dict[str, int | None],
    width: int,
) -> RawBatch:
    plain = lines
    parts = []
    if splitter:
        has_quote = pc.match_substring(lines["text"], '"')
        plain, quoted = lines.filter(pc.invert(has_quote)), lines.filter(has_quote)
        if quoted.num_rows:
            parts.append(_pick(quoted, splitter.split(quoted["text"]), positions, width, splitter.unquote))
    if plain.num_rows or not parts:
        parts.append(_pick(plain, pc.split_pattern(plain["text"], layout.delimiter), positions, width))
    rows = pa.concat_tables([rows for rows, _ in parts])
    if len(parts) > 1:
        rows = rows.sort_by("line")
    return RawBatch(rows, pa.concat_tables([batch.rejects, *(rejects for _, rejects in parts)]), batch.done)


def _pick(
    lines: pa.Table,
    fields: pa.ChunkedArray,
    positions: dict[str, int | None],
    width: int,
    unquote: Callable[[pa.Array], pa.Array] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Return the rows that have `width` fields, with the wanted ones as columns, and the others as rejects."""
    fits = pc.equal(pc.list_value_length(fields), width)
    good = lines.filter(fits)
    flat = pc.list_flatten(fields.filter(fits)).combine_chunks()
    columns: dict[str, pa.ChunkedArray | pa.Array] = {"line": good["line"]}
    for field, position in positions.items():
        if position is None:
            columns[field] = pa.nulls(good.num_rows, pa.string())
        else:
            column = flat.take(pa.array(np.arange(position, len(flat), width)))
            columns[field] = unquote(column) if unquote else column
    return pa.table(columns), unsplit(lines["line"].filter(pc.invert(fits)), "wrong_column_count")


class _QuotedSplitter:
    """Splits rows in which fields may be quoted: by regular expression, the same in DuckDB (RE2) and in Python."""

    def __init__(self, delimiter: str, width: int) -> None:
        self._width = width
        self._delimiter = delimiter
        escaped = re.escape(delimiter)
        quoted = '"(?:[^"]|"")*"'
        self._field = f"({quoted}|[^{escaped}]*){escaped}"
        # A row is open when its last field begins with a quotation mark that nothing closes.
        self._open = f'(?:(?:{quoted}|[^"{escaped}][^{escaped}]*|){escaped})*"(?:[^"]|"")*'
        self._connection = connect_offline()

    def split(self, text: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the fields of each row, still in their quotation marks."""
        self._connection.register("rows", pa.table({"text": text}))
        query = self._connection.sql(
            "SELECT regexp_extract_all(text || $delimiter, $field, 1) AS fields FROM rows",
            params={"delimiter": self._delimiter, "field": self._field},
        )
        return query.to_arrow_table()["fields"]

    def unquote(self, column: pa.Array) -> pa.Array:
        """Return the fields without the quotation marks that enclose them."""
        enclosed = pc.match_substring_regex(column, '^(?s:"(?:[^"]|"")*")$')
        inner = pc.replace_substring(pc.utf8_slice_codeunits(column, 1, -1), '""', '"')
        return pc.if_else(enclosed, inner, column)

    def join_lines(self, lines: pa.Table, is_last: bool) -> tuple[pa.Table, pa.Table | None]:
        """Put the lines of a row that has line breaks within quotes back together.

        Returns:
            The rows, numbered by their first lines, and the lines that must wait for the next batch because a row
            may still be open at the end; none when `is_last`.
        """
        self._connection.register("rows", lines.append_column("position", pa.array(np.arange(lines.num_rows))))
        open_rows = self._connection.sql(
            "SELECT position FROM rows WHERE contains(text, '\"') AND regexp_full_match(text, $open) ORDER BY position",
            params={"open": self._open},
        ).fetchall()
        texts: dict[int, str] = {}
        swallowed: list[int] = []
        position_after = 0
        for (start,) in open_rows:
            if start < position_after:
                continue
            following = lines["text"].slice(start, _MOST_LINES_PER_ROW).to_pylist()
            joined = self._close(following)
            if joined:
                texts[start] = "\n".join(following[:joined])
                swallowed.extend(range(start + 1, start + joined))
                position_after = start + joined
            elif len(following) < _MOST_LINES_PER_ROW and not is_last:
                return self._joined(lines, texts, swallowed, start), lines.slice(start)
        return self._joined(lines, texts, swallowed, lines.num_rows), None

    def _close(self, texts: list[str]) -> int:
        """Return how many of the lines make up the row that the first one opens; 0 when none do."""
        for count in range(2, len(texts) + 1):
            if '"' not in texts[count - 1]:
                continue
            row = "\n".join(texts[:count])
            if not re.fullmatch(self._open, row):
                fits = len(re.findall(self._field, row + self._delimiter)) == self._width
                return count if fits else 0
        return 0

    def _joined(self, lines: pa.Table, texts: dict[int, str], swallowed: list[int], end: int) -> pa.Table:
        lines = lines.slice(0, end)
        if not texts:
            return lines
        column = lines["text"].combine_chunks()
        mask = np.zeros(end, bool)
        mask[list(texts)] = True
        column = pc.replace_with_mask(column, pa.array(mask), pa.array(texts.values(), pa.string()))
        keep = np.ones(end, bool)
        keep[swallowed] = False
        return pa.table({"line": lines["line"], "text": column}).filter(pa.array(keep))
