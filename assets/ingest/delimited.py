"""CSV, TSV and unquoted tab-separated files, split into fields without a loop over rows."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.encodings import encoding_advice
from assets.ingest.files import InputFile
from assets.ingest.lines import LineBatch, read_lines
from assets.ingest.missing import MissingColumnError
from assets.ingest.quoting import QuotedSplitter, shows_escapes, shows_quotes
from assets.ingest.records import REJECT_SCHEMA, RawBatch, unsplit
from warehouse.errors import AudoticsError

# Excel writes it before the header of a file whose delimiter is not the one of the country.
SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)

# The csv module, which reads headers, takes no longer field than 131,072.
LONGEST_HEADER_CHARACTERS = 100_000

# What stands between fields where a mapping does not say it, by format.
DELIMITER = {"csv": ",", "tsv": "\t"}
LIKELY_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written.

    Attributes:
        delimiter: one character.
        quoted: whether a field may stand in quotation marks (RFC 4180: one within is doubled); None for what the
            rows of the first block show, as `quoting.shows_quotes` tells.
        header: the column names of a file whose first row is not a header.
        encoding: as `encodings.utf8_blocks` takes it.
        quote: the quotation mark.
        escape: what stands before a character that means only itself, such as a quotation mark within a field; None
            for a backslash if the first block shows it, as `quoting.shows_escapes` tells, else nothing.
        skip_lines: how many lines stand before the header or the first row.
        comment: what lines begin with that are not rows, wherever they stand: any of these texts.
        is_assumed: whether a first line such as `sep=;`, which is never a row, may say another delimiter.
    """

    delimiter: str
    quoted: bool | None
    header: tuple[str, ...] | None = None
    encoding: str | None = None
    quote: str = '"'
    escape: str | None = None
    skip_lines: int = 0
    comment: tuple[str, ...] = ()
    is_assumed: bool = False


@dataclass(frozen=True)
class _Table:
    """How the rows of one file are split: what its layout leaves open is known.

    Attributes:
        splitter: of a file with quoted fields.
        positions: the place of each field's column; None for an optional one that the file does not have.
        width: how many columns there are.
    """

    delimiter: str
    splitter: QuotedSplitter | None
    positions: dict[str, int | None]
    width: int


def read_delimited(
    file: InputFile, layout: Layout, columns: Mapping[str, str], optional: Sequence[str] = ()
) -> Iterator[RawBatch]:
    """Yield the file's rows as text, one column per key of `columns`, whose values name columns of the file.

    Rows with another number of fields than the header are rejected as `wrong_column_count`. A quotation mark that
    does not enclose a whole field is part of the text. Lines that are skipped do not count.

    Raises:
        AudoticsError: the file is empty, a column is missing and its field is not in `optional`, or the header cannot
            be read.
    """
    batches = _table_lines(read_lines(file, layout.encoding), layout)
    first = _with_a_line(next(batches, None), batches)
    if first is None or not (first.lines.num_rows or first.rejects.num_rows):
        raise AudoticsError(f"{file} is empty; give a file with rows{'' if layout.header else ' under a header'}")
    delimiter, first = _delimiter(first, batches, layout)
    splitter = _splitter(first, delimiter, layout)
    names, first = (list(layout.header), first) if layout.header else _header(file, first, delimiter, splitter, layout)
    table = _Table(delimiter, splitter, _positions(file, names, columns, optional), len(names))
    pending: pa.Table | None = None
    for batch in _chain(first, batches):
        lines = pa.concat_tables([pending, batch.lines]) if pending else batch.lines
        if splitter:
            lines, pending = splitter.join_lines(lines, table.width, is_last=False)
        yield _raw_batch(lines, batch, table)
    if splitter and pending:
        lines, _ = splitter.join_lines(pending, table.width, is_last=True)
        yield _raw_batch(lines, replace(batch, rejects=REJECT_SCHEMA.empty_table(), done=1.0), table)


def _chain(first: LineBatch, rest: Iterator[LineBatch]) -> Iterator[LineBatch]:
    yield first
    yield from rest


def _table_lines(batches: Iterator[LineBatch], layout: Layout) -> Iterator[LineBatch]:
    """Leave out the lines before the table, and comments."""
    for batch in batches:
        lines, rejects = batch.lines, batch.rejects
        if layout.skip_lines:
            lines = lines.filter(pc.greater(lines["line"], layout.skip_lines))
            rejects = rejects.filter(pc.greater(rejects["line"], layout.skip_lines))
        for comment in layout.comment:
            lines = lines.filter(pc.invert(pc.starts_with(lines["text"], comment)))
        yield replace(batch, lines=lines, rejects=rejects)


def _with_a_line(batch: LineBatch | None, rest: Iterator[LineBatch]) -> LineBatch | None:
    """Put batches together until there is a line among them."""
    while batch is not None and not batch.lines.num_rows and (following := next(rest, None)):
        rejects = pa.concat_tables([batch.rejects, following.rejects])
        batch = replace(following, rejects=rejects)
    return batch


def _delimiter(first: LineBatch, rest: Iterator[LineBatch], layout: Layout) -> tuple[str, LineBatch]:
    """Return what stands between fields, and the first batch without the line that says so."""
    text = first.lines["text"][0].as_py() if first.lines.num_rows else ""
    said = SEPARATOR_LINE.fullmatch(text)
    if said is None:
        return layout.delimiter, first
    without = _with_a_line(replace(first, lines=first.lines.slice(1)), rest)
    assert without is not None
    return said[1] if layout.is_assumed else layout.delimiter, without


def _splitter(first: LineBatch, delimiter: str, layout: Layout) -> QuotedSplitter | None:
    """Return what splits the rows of a file whose fields may be quoted, None if they are not."""
    if layout.quoted is False:
        return None
    splitter = QuotedSplitter(delimiter, layout.quote, layout.escape)
    lines = first.lines
    if layout.escape is None:
        escaped = lines["text"].filter(pc.match_substring(lines["text"], "\\" + layout.quote))
        escaping = QuotedSplitter(delimiter, layout.quote, "\\")
        if len(escaped) and shows_escapes(splitter, escaping, escaped, layout.quote):
            return escaping
    if layout.quoted:
        return splitter
    if not lines.num_rows:
        return None
    width = len(layout.header) if layout.header else 1 + lines["text"][0].as_py().count(delimiter)
    # Quotes around a header alone say nothing of the rows.
    rows, _ = splitter.join_lines(lines if layout.header else lines.slice(min(1, len(lines) - 1)), width, is_last=True)
    return splitter if shows_quotes(splitter, rows, delimiter, layout.quote) else None


def _header(
    file: InputFile, batch: LineBatch, delimiter: str, splitter: QuotedSplitter | None, layout: Layout
) -> tuple[list[str], LineBatch]:
    """Return the column names and the first batch without the header line."""
    rejected = batch.rejects["line"]
    if batch.lines.num_rows == 0 or (len(rejected) and rejected[0].as_py() < batch.lines["line"][0].as_py()):
        raise AudoticsError(f"{file}: the header line is not UTF-8 text; {encoding_advice(file)}")
    text = batch.lines["text"][0].as_py()
    if len(text) > LONGEST_HEADER_CHARACTERS:
        line = batch.lines["line"][0].as_py()
        raise AudoticsError(
            f"{file}: the header, line {line:,}, has {len(text):,} characters, more than the"
            f" {LONGEST_HEADER_CHARACTERS:,} of the longest that is read; check that it is a table of listens"
        )
    names = text.split(delimiter)
    if splitter:
        names = next(csv.reader([text], delimiter=delimiter, quotechar=layout.quote, escapechar=layout.escape))
    return [name.strip() for name in names], replace(batch, lines=batch.lines.slice(1))


def _positions(
    file: InputFile, names: list[str], columns: Mapping[str, str], optional: Sequence[str]
) -> dict[str, int | None]:
    """Return the place of each field's column; None for an optional one that the file does not have."""
    positions: dict[str, int | None] = {}
    for field, column in columns.items():
        if names.count(column) > 1:
            raise AudoticsError(f"{file} has {names.count(column)} columns named {column!r}; rename all but one")
        if column not in names and field not in optional:
            raise MissingColumnError(file, field, [column], names, _other_delimiter(names))
        positions[field] = names.index(column) if column in names else None
    return positions


def _other_delimiter(names: Sequence[str]) -> str:
    """Return what to do about a header that is one field by what else may stand between fields; empty for nothing."""
    found = next((delimiter for delimiter in LIKELY_DELIMITERS if len(names) == 1 and delimiter in names[0]), None)
    written = "\\t" if found == "\t" else found
    return "" if found is None else f'Set delimiter = "{written}" in the mapping, which its header shows'


def _raw_batch(lines: pa.Table, batch: LineBatch, table: _Table) -> RawBatch:
    plain = lines
    parts = []
    if table.splitter:
        is_special = table.splitter.is_special(lines["text"])
        plain, special = lines.filter(pc.invert(is_special)), lines.filter(is_special)
        if special.num_rows:
            parts.append(_pick(special, table.splitter.split(special["text"]), table, table.splitter.unquote))
    if plain.num_rows or not parts:
        parts.append(_pick(plain, pc.split_pattern(plain["text"], table.delimiter), table))
    rows = pa.concat_tables([rows for rows, _ in parts])
    if len(parts) > 1:
        rows = rows.sort_by("line")
    rejects = pa.concat_tables([batch.rejects, *(rejects for _, rejects in parts)])
    return RawBatch(rows, rejects, batch.done, ends_whole=batch.ends_whole)


def _pick(
    lines: pa.Table, fields: pa.ChunkedArray, table: _Table, unquote: Callable[[pa.Array], pa.Array] | None = None
) -> tuple[pa.Table, pa.Table]:
    """Return the rows that have as many fields as columns, the wanted ones as columns, and the others as rejects."""
    fits = pc.equal(pc.list_value_length(fields), table.width)
    good = lines.filter(fits)
    flat = pc.list_flatten(fields.filter(fits)).combine_chunks()
    columns: dict[str, pa.ChunkedArray | pa.Array] = {"line": good["line"]}
    for field, position in table.positions.items():
        if position is None:
            # Of no type: the file has no such column.
            columns[field] = pa.nulls(good.num_rows)
        else:
            column = flat.take(pa.array(np.arange(position, len(flat), table.width)))
            columns[field] = unquote(column) if unquote else column
    return pa.table(columns), unsplit(lines["line"].filter(pc.invert(fits)), "wrong_column_count")
