"""Text files as batches of lines, with the line numbers that an editor would show."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.files import InputFile
from assets.ingest.records import REJECT_SCHEMA
from assets.ingest.streams import InputStream
from assets.ingest.utf8 import invalid_rows
from warehouse.errors import AudoticsError

BLOCK_BYTES = 8 << 20
LONGEST_LINE_BYTES = 64 << 20
_NEWLINE, _RETURN = 10, 13
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LineBatch:
    """Consecutive lines of a file, empty ones apart.

    Attributes:
        lines: `line` (int64, from 1) and `text` (string) of the lines that are text.
        rejects: the lines that are not UTF-8 or hold a NUL byte, in REJECT_SCHEMA.
        done: how much of the file has been read, 0 to 1.
    """

    lines: pa.Table
    rejects: pa.Table
    done: float


def read_lines(file: InputFile, block_bytes: int = BLOCK_BYTES) -> Iterator[LineBatch]:
    """Yield the lines of a text file without their line ends (LF or CRLF).

    Raises:
        AudoticsError: the file is damaged, or has a line longer than LONGEST_LINE_BYTES.
        OSError: it cannot be read.
    """
    first_line = 1
    with file.open() as stream:
        for block in _whole_lines(stream, file, block_bytes):
            yield _batch(block, first_line, stream.done)
            first_line += block.count(b"\n")


def _whole_lines(stream: InputStream, file: InputFile, block_bytes: int) -> Iterator[bytes]:
    """Yield blocks that end in a newline; the byte order mark is dropped, a missing last newline is added."""
    rest = stream.read(len(_BYTE_ORDER_MARK))
    rest = b"" if rest == _BYTE_ORDER_MARK else rest
    while len(chunk := stream.read(block_bytes)) == block_bytes:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield rest + chunk[:end]
            rest = chunk[end:]
        else:
            rest += chunk
        if len(rest) > LONGEST_LINE_BYTES:
            raise AudoticsError(
                f"{file} has a line longer than {LONGEST_LINE_BYTES >> 20} MB; is it a text file of listens?"
            )
    rest += chunk
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _batch(block: bytes, first_line: int, done: float) -> LineBatch:
    rows = _split(block)
    numbers = np.arange(first_line, first_line + len(rows), dtype=np.int64)
    filled = np.flatnonzero(pc.binary_length(rows).to_numpy())
    if len(filled) < len(rows):
        rows, numbers = rows.take(pa.array(filled)), numbers[filled]
    invalid = invalid_rows(rows)
    with_nul = _rows_with_nul(rows) if b"\0" in block else np.array([], np.int64)
    bad = np.union1d(invalid, with_nul)
    rejects = pa.table(
        {
            "line": numbers[bad],
            "reason": np.where(np.isin(bad, invalid), "invalid_utf8", "nul_byte").astype(object),
            "fields": pa.nulls(len(bad), pa.string()),
        },
        schema=REJECT_SCHEMA,
    )
    if len(bad):
        good = np.delete(np.arange(len(rows)), bad)
        rows, numbers = rows.take(pa.array(good)), numbers[good]
    return LineBatch(pa.table({"line": numbers, "text": rows.view(pa.string())}), rejects, done)


def _split(block: bytes) -> pa.BinaryArray:
    """Return the lines of a block that ends in a newline, empty ones included, without LF or CRLF."""
    data = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(data == _NEWLINE)
    before = newlines[newlines > 0] - 1
    dropped = np.union1d(newlines, before[data[before] == _RETURN])
    keep = np.ones(len(data), bool)
    keep[dropped] = False
    ends = newlines - np.searchsorted(dropped, newlines)
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(newlines), [None, pa.py_buffer(offsets), pa.py_buffer(data[keep])]
    )


def _rows_with_nul(rows: pa.BinaryArray) -> np.ndarray:
    offsets = np.frombuffer(rows.buffers()[1], np.int32)
    data = np.frombuffer(rows.buffers()[2], np.uint8)
    return np.unique(np.searchsorted(offsets, np.flatnonzero(data == 0), side="right") - 1)
