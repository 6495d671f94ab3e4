"""Text files as batches of lines, with the line numbers that an editor would show."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.encodings import utf8_blocks
from assets.ingest.files import InputFile
from assets.ingest.records import REJECT_SCHEMA
from assets.ingest.utf8 import invalid_rows
from warehouse.errors import AudoticsError

BLOCK_BYTES = 8 << 20
LONGEST_LINE_BYTES = 64 << 20
NOT_UTF8 = "invalid_utf8"
_NEWLINE, _RETURN = 10, 13


@dataclass(frozen=True)
class LineBatch:
    """Consecutive lines of a file, empty ones apart, or rows of a JSON document.

    Attributes:
        lines: `line` (int64, from 1, no two the same) and `text` (string) of the lines that are text.
        rejects: the lines that are not UTF-8 or hold a NUL byte, in REJECT_SCHEMA.
        done: how much of the file has been read, 0 to 1.
        ends_whole: of the last batch, whether the file ends in a line end; None for what is not lines.
    """

    lines: pa.Table
    rejects: pa.Table
    done: float
    ends_whole: bool | None = None


def read_lines(file: InputFile, encoding: str | None = None, block_bytes: int = BLOCK_BYTES) -> Iterator[LineBatch]:
    """Yield the lines of a text file without their line ends (LF, CRLF, or CR where there is no LF).

    Args:
        file: the file.
        encoding: as `encodings.utf8_blocks` takes it.
        block_bytes: how much is read at a time.

    Raises:
        AudoticsError: the file is damaged, or has a line longer than LONGEST_LINE_BYTES.
        OSError: it cannot be read.
    """
    first_line, rest = 1, b""
    with file.open() as stream:
        for block in utf8_blocks(stream, encoding, block_bytes):
            end = block.rfind(b"\n") + 1
            if end:
                lines = rest + block[:end]
                batch = text_batch(*_filled_lines(lines, first_line), stream.done)
                yield replace(batch, ends_whole=stream.ends_in_line_end)
                first_line += lines.count(b"\n")
            rest = block[end:] if end else rest + block
            if len(rest) > LONGEST_LINE_BYTES:
                raise AudoticsError(
                    f"line {first_line:,} of {file} is longer than {LONGEST_LINE_BYTES >> 20} MB; "
                    "is it a text file of listens?"
                )


def text_batch(texts: pa.BinaryArray, numbers: np.ndarray, done: float) -> LineBatch:
    """Return texts of these numbers as a batch, those that are not text as its rejects."""
    invalid = invalid_rows(texts)
    bad = np.union1d(invalid, _rows_with_nul(texts))
    rejects = pa.table(
        {
            "line": numbers[bad],
            "reason": np.where(np.isin(bad, invalid), NOT_UTF8, "nul_byte").astype(object),
            "fields": pa.nulls(len(bad), pa.string()),
        },
        schema=REJECT_SCHEMA,
    )
    if len(bad):
        good = np.delete(np.arange(len(texts)), bad)
        texts, numbers = texts.take(pa.array(good)), numbers[good]
    return LineBatch(pa.table({"line": numbers, "text": texts.view(pa.string())}), rejects, done)


def _filled_lines(block: bytes, first_line: int) -> tuple[pa.BinaryArray, np.ndarray]:
    """Return the lines of a block that ends in a newline, without LF or CRLF, and their numbers; empty ones apart."""
    rows = _split(block)
    numbers = np.arange(first_line, first_line + len(rows), dtype=np.int64)
    filled = np.flatnonzero(pc.binary_length(rows).to_numpy())
    if len(filled) < len(rows):
        rows, numbers = rows.take(pa.array(filled)), numbers[filled]
    return rows, numbers


def _split(block: bytes) -> pa.BinaryArray:
    """Return the lines of a block that ends in a newline, empty ones included, without LF or CRLF."""
    data = np.frombuffer(block, np.uint8)
    keep = data != _NEWLINE
    newlines = np.flatnonzero(~keep)
    before = newlines[newlines > 0] - 1
    returns = before[data[before] == _RETURN]
    keep[returns] = False
    # What was dropped before each: the newlines before it, and the returns before these and it.
    ends = newlines - np.arange(len(newlines)) - np.searchsorted(returns, newlines)
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(newlines), [None, pa.py_buffer(offsets), pa.py_buffer(data[keep])]
    )


def _rows_with_nul(rows: pa.BinaryArray) -> np.ndarray:
    offsets = np.frombuffer(rows.buffers()[1], np.int32)
    data = np.frombuffer(rows.buffers()[2] or b"", np.uint8)
    return np.unique(np.searchsorted(offsets, np.flatnonzero(data == 0), side="right") - 1)
