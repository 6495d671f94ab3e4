"""Rows of delimited files in which fields may be quoted: split, unquoted and put together from lines."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.duck import connect_offline

# A quoted field that is still open after this many lines is taken for a stray quotation mark.
_MOST_LINES_PER_ROW = 100


class QuotedSplitter:
    """Splits rows in which fields may be quoted: by regular expression, the same in DuckDB (RE2) and in Python.

    Args:
        delimiter: between the fields.
        quote: encloses a field; within, a quote is doubled.
        escape: takes the meaning from the character after it, within a quoted field or outside; None for none.
    """

    def __init__(self, delimiter: str, quote: str = '"', escape: str | None = None) -> None:
        self._delimiter, self._quote, self._escape = delimiter, quote, escape
        end, mark = re.escape(delimiter), re.escape(quote)
        before = re.escape(escape) if escape else ""
        # A character after an escape, whatever it is.
        taken = f"|{before}(?s:.)" if escape else ""
        within = f"(?:[^{mark}{before}]|{mark}{mark}{taken})*"
        plain = f"(?:[^{end}{before}]{taken})"
        begins = f"(?:[^{mark}{end}{before}]{taken})"
        self._enclosed = f"{mark}{within}{mark}"
        self._field = f"({self._enclosed}|{plain}*){end}"
        # A row is open when its last field begins with a quotation mark that nothing closes.
        self._open = f"(?:(?:{self._enclosed}|{begins}{plain}*|){end})*{mark}{within}"
        self._connection = connect_offline()

    def is_special(self, text: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return which rows hold a quote or an escape; the others are split at every delimiter."""
        special = pc.match_substring(text, self._quote)
        return pc.or_(special, pc.match_substring(text, self._escape)) if self._escape else special

    def split(self, text: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the fields of each row, still in their quotation marks."""
        self._connection.register("rows", pa.table({"text": text}))
        query = self._connection.sql(
            "SELECT regexp_extract_all(text || $delimiter, $field, 1) AS fields FROM rows",
            params={"delimiter": self._delimiter, "field": self._field},
        )
        return query.to_arrow_table()["fields"]

    def is_enclosed(self, fields: pa.Array) -> pa.Array:
        """Return which fields stand in quotation marks as a whole."""
        return pc.match_substring_regex(fields, f"^(?s:{self._enclosed})$")

    def unquote(self, column: pa.Array) -> pa.Array:
        r"""Return the fields without the quotation marks that enclose them and without escapes; `\N` stays."""
        enclosed = self.is_enclosed(column)
        inner = pc.replace_substring(pc.utf8_slice_codeunits(column, 1, -1), self._quote * 2, self._quote)
        if not self._escape:
            return pc.if_else(enclosed, inner, column)
        # The null of programs that write escapes.
        is_null = pc.equal(column, f"{self._escape}N")
        text = pc.replace_substring_regex(
            pc.if_else(enclosed, inner, column), f"{re.escape(self._escape)}((?s:.))", r"\1"
        )
        return pc.if_else(is_null, column, text)

    def join_lines(self, lines: pa.Table, width: int, is_last: bool) -> tuple[pa.Table, pa.Table | None]:
        """Put the lines of a row of `width` fields that has line breaks within quotes back together.

        Returns:
            The rows, numbered by their first lines, and the lines that must wait for the next batch because a row
            may still be open at the end; none when `is_last`.
        """
        self._connection.register("rows", lines.append_column("position", pa.array(np.arange(lines.num_rows))))
        open_rows = self._connection.sql(
            "SELECT position FROM rows WHERE contains(text, $quote) AND regexp_full_match(text, $open)"
            " ORDER BY position",
            params={"quote": self._quote, "open": self._open},
        ).fetchall()
        texts: dict[int, str] = {}
        swallowed: list[int] = []
        position_after = 0
        for (start,) in open_rows:
            if start < position_after:
                continue
            following = lines["text"].slice(start, _MOST_LINES_PER_ROW).to_pylist()
            joined = self._close(following, width)
            if joined:
                texts[start] = "\n".join(following[:joined])
                swallowed.extend(range(start + 1, start + joined))
                position_after = start + joined
            elif len(following) < _MOST_LINES_PER_ROW and not is_last:
                return _joined(lines, texts, swallowed, start), lines.slice(start)
        return _joined(lines, texts, swallowed, lines.num_rows), None

    def _close(self, texts: list[str], width: int) -> int:
        """Return how many of the lines make up the row that the first one opens; 0 when none do."""
        for count in range(2, len(texts) + 1):
            if self._quote not in texts[count - 1]:
                continue
            row = "\n".join(texts[:count])
            if not re.fullmatch(self._open, row):
                fits = len(re.findall(self._field, row + self._delimiter)) == width
                return count if fits else 0
        return 0


def _joined(lines: pa.Table, texts: dict[int, str], swallowed: list[int], end: int) -> pa.Table:
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


def shows_quotes(splitter: QuotedSplitter, rows: pa.Table, delimiter: str, quote: str = '"') -> bool:
    """Whether fields of some rows are quoted, and not merely names that begin with a quotation mark.

    They are if every field that begins with a quotation mark is enclosed in two, with those within doubled, and if
    that is more than chance: one of them, without line breaks, has a doubled mark or a delimiter within, every field is
    enclosed, or one column is in every row, of two rows at least.
    """
    fields = splitter.split(rows["text"])
    flat = pc.list_flatten(fields).combine_chunks()
    begins = pc.starts_with(flat, quote)
    quoted = flat.filter(begins)
    if not len(quoted) or not pc.all(splitter.is_enclosed(quoted)).as_py():
        return False
    # One with a line break may as well be two stray marks.
    inner = pc.utf8_slice_codeunits(quoted.filter(pc.invert(pc.match_substring(quoted, "\n"))), 1, -1)
    needed = (pc.any(pc.match_substring(inner, text)).as_py() for text in (quote, delimiter))
    return any(needed) or _has_quoted_column(begins, pc.list_value_length(fields).to_numpy())


def shows_escapes(splitter: QuotedSplitter, escaping: QuotedSplitter, texts: pa.ChunkedArray, quote: str) -> bool:
    """Whether quoted fields of some rows are whole only if a backslash in them takes the meaning from what follows.

    Args:
        splitter: of the file without escapes.
        escaping: of the file with them.
        texts: rows that have a backslash before a quotation mark, among others.
        quote: the quotation mark.
    """
    odd = [_odd_fields(each, texts, quote) for each in (splitter, escaping)]
    return odd[0] > 0 and odd[1] == 0


def _odd_fields(splitter: QuotedSplitter, texts: pa.ChunkedArray, quote: str) -> int:
    """Return how many fields begin with a quotation mark that encloses nothing."""
    flat = pc.list_flatten(splitter.split(texts)).combine_chunks()
    quoted = flat.filter(pc.starts_with(flat, quote))
    return len(quoted) - (pc.sum(splitter.is_enclosed(quoted)).as_py() or 0)


def _has_quoted_column(begins: pa.Array, widths: np.ndarray) -> bool:
    if (widths != widths[0]).any():
        return False
    by_row = begins.to_numpy(zero_copy_only=False).reshape(len(widths), widths[0])
    return bool(by_row.all() or (len(widths) > 1 and by_row.all(axis=0).any()))
