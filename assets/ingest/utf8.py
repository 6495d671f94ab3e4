"""Find the rows of an Arrow array whose bytes are not UTF-8."""

import codecs

import numpy as np
import pyarrow as pa


def invalid_rows(array: pa.BinaryArray) -> np.ndarray:
    """Return the positions of the rows of a binary array (32-bit offsets, no nulls) that are not valid UTF-8.

    The rows are decoded in one go, and once more after each invalid row, so valid data costs one pass. Decoding
    across rows is sound only where no row begins in the middle of a character; those that do are invalid themselves
    and part what is decoded.
    """
    offsets = _offsets(array)
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
    invalid = np.zeros(len(array), bool)
    filled = np.flatnonzero(np.diff(offsets))
    invalid[filled] = (data[offsets[filled]] & 0xC0) == 0x80
    parting = np.flatnonzero(invalid)
    for first, last in zip([0, *(parting + 1)], [*parting, len(array)], strict=True):
        _mark_invalid(data, offsets, int(first), int(last), invalid)
    return np.flatnonzero(invalid)


def _mark_invalid(data: np.ndarray, offsets: np.ndarray, first: int, last: int, invalid: np.ndarray) -> None:
    """Mark those rows from `first` to before `last` that do not decode; none of them begins within a character."""
    position, end = int(offsets[first]), int(offsets[last])
    while position < end:
        try:
            codecs.utf_8_decode(data[position:end].data, "strict", True)
            return
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(offsets, position + error.start, side="right")) - 1
            invalid[row] = True
            position = int(offsets[row + 1])


def _offsets(array: pa.BinaryArray) -> np.ndarray:
    offsets = np.frombuffer(array.buffers()[1], np.int32)
    return offsets[array.offset : array.offset + len(array) + 1]


def escaped(row: bytes) -> str:
    """Return a row's text with what PostgreSQL cannot store, bytes that are not UTF-8 and NUL, written as `\\xNN`."""
    return row.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
