"""JSON documents cut into the texts of their rows: without a loop over rows, in memory that does not grow with them."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.encodings import utf8_blocks
from assets.ingest.files import InputFile
from assets.ingest.json_tokens import Tokens
from assets.ingest.lines import BLOCK_BYTES, LONGEST_LINE_BYTES, LineBatch, text_batch
from warehouse.errors import AudoticsError

# A key, and the first character of its value.
_MEMBER = re.compile(rb'\s*"((?:[^"\\]|\\.)*)"\s*:\s*(\S)', re.DOTALL)
_ITEM = re.compile(rb"\s*(\S)")
_LONGEST_KEY_BYTES = 1 << 16
_MOST_KEYS_NAMED = 20


class _Frame(NamedTuple):
    """A list or an object that was entered on the way to the rows, with how many keys of the path lead there."""

    is_list: bool
    keys: int


def read_rows(
    file: InputFile, path: Sequence[str], encoding: str | None = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[LineBatch]:
    """Yield the texts of a file's rows, numbered from 1: several may stand on one line, and one on several.

    The file holds one JSON value, or several one after the other. The rows are what the keys of `path` lead to, one
    after the other from the top: the items of a list, or an object. Lists on the way are entered: each of their items
    is looked into. What stands between rows and is not JSON comes as a row of its own.

    Raises:
        AudoticsError: the file ends within a value, brackets do not fit, no object has the keys, a value is longer
            than LONGEST_LINE_BYTES, or the file is damaged.
        OSError: it cannot be read.
    """
    scanner, held = _Scanner(file, path), b""
    with file.open() as stream:
        for block in utf8_blocks(stream, encoding, block_bytes):
            data = held + block
            # What a backslash escapes is in the next block.
            whole = data.rstrip(b"\\") if data.endswith(b"\\") else data
            batch, rest = scanner.cut(whole, stream.done, is_last=False)
            held = rest + data[len(whole) :]
            yield batch
        batch, rest = scanner.cut(held, 1.0, is_last=True)
        yield batch
        scanner.finish(rest)


class _Scanner:
    """Cuts rows out of block after block, and knows where in the document each block begins."""

    def __init__(self, file: InputFile, path: Sequence[str]) -> None:
        self._file = file
        self._path = path
        # The lists and objects around the place that was reached.
        self._frames: list[_Frame] = []
        # Whether that place is in a value that holds no rows; then it may be in a text, and deeper than the frames.
        self._passing = False
        self._in_text = False
        self._depth = 0
        self._line = 1
        self._rows = 0
        self._found = not path
        self._keys_at_top: dict[str, None] = {}
        self._spans: list[np.ndarray] = []

    def cut(self, data: bytes, done: float, is_last: bool) -> tuple[LineBatch, bytes]:
        """Return the rows that end in a block, and what must be put before the next block."""
        block = np.frombuffer(data, np.uint8)
        tokens = Tokens(block, self._in_text, self._depth)
        place, goes_on = 0, True
        while goes_on:
            place, goes_on = self._step(data, tokens, place, is_last)
        if self._passing:
            self._in_text, self._depth = tokens.in_text, tokens.depth
        else:
            self._in_text, self._depth = False, len(self._frames)
        if len(data) - place > LONGEST_LINE_BYTES:
            begin = len(data) - len(data[place:].lstrip())
            raise AudoticsError(
                f"{self._file} has a JSON value longer than {LONGEST_LINE_BYTES >> 20} MB, from line"
                f" {self._line_at(data, begin):,} on; if its rows stand under a key, name that as `rows` in the mapping"
            )
        batch = self._batch(block, done)
        self._line = self._line_at(data, place)
        return batch, data[place:]

    def finish(self, rest: bytes) -> None:
        """Check that the file was read to the end of its last value.

        Raises:
            AudoticsError: it ends within one, or no object has the keys of the path.
        """
        if self._frames or self._in_text or rest.strip():
            raise AudoticsError(
                f"{self._file} ends within its JSON, on line {self._line_at(rest, len(rest)):,} after"
                f" {self._rows:,} whole rows; fetch or write it again"
            )
        if not self._found:
            raise AudoticsError(
                f"{self._file} has no rows under {'.'.join(self._path)!r}, which the mapping names; its keys at the top"
                f" are {', '.join(self._keys_at_top) or 'none'}"
            )

    def _step(self, data: bytes, tokens: Tokens, place: int, is_last: bool) -> tuple[int, bool]:
        """Return the next place, and whether the block may give more from there."""
        frame = self._frames[-1] if self._frames else _Frame(is_list=True, keys=0)
        if self._passing:
            return self._pass(data, tokens, place)
        if not frame.is_list:
            return self._member(data, tokens, place, is_last)
        if frame.keys < len(self._path):
            return self._item(data, tokens, place)
        return (
            self._rows_of_list(data, tokens, place) if self._frames else self._rows_at_top(data, tokens, place, is_last)
        )

    def _rows_of_list(self, data: bytes, tokens: Tokens, place: int) -> tuple[int, bool]:
        """Cut the items of a list of rows; a list among them is entered."""
        level, start = len(self._frames), tokens.at(place)
        close, nested = tokens.first("]}", level - 1, start), tokens.first("[", level + 1, start)
        stop = min(close, nested)
        edges = tokens.places[tokens.between(",", level, start, stop)]
        if len(edges):
            self._spans.append(np.column_stack([np.concatenate([[place], edges[:-1] + 1]), edges]))
            place = int(edges[-1]) + 1
        if stop == len(tokens):
            return place, False
        self._spans.append(np.array([[place, tokens.places[stop]]]))
        return self._leave(data, tokens, close) if stop == close else self._enter(tokens, nested, len(self._path))

    def _rows_at_top(self, data: bytes, tokens: Tokens, place: int, is_last: bool) -> tuple[int, bool]:
        """Cut the values that stand one after the other at the top; a list is entered."""
        start = tokens.at(place)
        close, nested = tokens.first("]}", -1, start), tokens.first("[", 1, start)
        stop = min(close, nested)
        edges = np.union1d(tokens.between("]}", 0, start, stop), tokens.between(",", 0, start, stop))
        if len(edges):
            places = tokens.places[edges]
            is_close = np.isin(edges, tokens.between("]}", 0, start, stop))
            self._spans.append(np.column_stack([np.concatenate([[place], places[:-1] + 1]), places + is_close]))
            place = int(places[-1]) + 1
        if stop < len(tokens):
            self._spans.append(np.array([[place, tokens.places[stop]]]))
            return self._leave(data, tokens, close) if stop == close else self._enter(tokens, nested, 0)
        if is_last and not tokens.depth and not tokens.in_text:
            self._spans.append(np.array([[place, len(data)]]))
            place = len(data)
        return place, False

    def _item(self, data: bytes, tokens: Tokens, place: int) -> tuple[int, bool]:
        """Enter the item of a list that may hold rows, or pass it."""
        found = _ITEM.match(data, place)
        if found is None:
            return place, False
        token, character = tokens.at(found.start(1)), found[1]
        if character in b"{[":
            return self._enter(tokens, token, self._frames[-1].keys if self._frames else 0)
        if character in b"]}":
            return self._leave(data, tokens, token)
        if character == b",":
            return found.end(), True
        if not self._frames:
            raise self._not_json(data, place)
        self._passing = True
        return place, True

    def _member(self, data: bytes, tokens: Tokens, place: int, is_last: bool) -> tuple[int, bool]:
        """Enter the value of the key that the path names next; pass that of any other."""
        found = _MEMBER.match(data, place)
        if found is None:
            return self._no_member(data, tokens, place, is_last)
        key, value, character = _unescaped(found[1]), found.start(2), found[2]
        level, keys = len(self._frames), self._frames[-1].keys + 1
        if level == 1 and len(self._keys_at_top) < _MOST_KEYS_NAMED:
            self._keys_at_top[key] = None
        if key != self._path[keys - 1] or (keys < len(self._path) and character not in b"{["):
            self._passing = True
            return value, True
        if keys < len(self._path) or character == b"[":
            self._found = self._found or keys == len(self._path)
            return self._enter(tokens, tokens.at(value), keys)
        # A single row.
        start = tokens.at(value)
        end = min(tokens.first(",", level, start), tokens.first("]}", level - 1, start))
        if end == len(tokens):
            return place, False
        self._found = True
        self._spans.append(np.array([[value, tokens.places[end]]]))
        return self._leave(data, tokens, end)

    def _no_member(self, data: bytes, tokens: Tokens, place: int, is_last: bool) -> tuple[int, bool]:
        found = _ITEM.match(data, place)
        if found and found[1] in b"]}":
            return self._leave(data, tokens, tokens.at(found.start(1)))
        if found and found[1] == b",":
            return found.end(), True
        if is_last or len(data) - place < _LONGEST_KEY_BYTES:
            return place, False
        raise self._not_json(data, place)

    def _pass(self, data: bytes, tokens: Tokens, place: int) -> tuple[int, bool]:
        """Go to the end of the item that holds no rows."""
        level, start = len(self._frames), tokens.at(place)
        end = min(tokens.first(",", level, start), tokens.first("]}", level - 1, start))
        return (len(data), False) if end == len(tokens) else self._leave(data, tokens, end)

    def _enter(self, tokens: Tokens, token: int, keys: int) -> tuple[int, bool]:
        self._frames.append(_Frame(tokens.character(token) == "[", keys))
        return int(tokens.places[token]) + 1, True

    def _leave(self, data: bytes, tokens: Tokens, token: int) -> tuple[int, bool]:
        """Leave an item at the comma after it, or with it the list or object that it is the last of."""
        place, character = int(tokens.places[token]), tokens.character(token)
        self._passing = False
        if character != ",":
            if not self._frames or self._frames.pop().is_list != (character == "]"):
                raise self._not_json(data, place)
            # The list or object was an item itself, and nothing but a comma or a bracket may follow.
            self._passing = bool(self._frames)
        return place + 1, True

    def _not_json(self, data: bytes, place: int) -> AudoticsError:
        return AudoticsError(
            f"{self._file} is not JSON from line {self._line_at(data, place):,} on; fetch or write it again"
        )

    def _line_at(self, data: bytes, place: int) -> int:
        return self._line + data.count(b"\n", 0, place)

    def _batch(self, block: np.ndarray, done: float) -> LineBatch:
        spans = np.concatenate([np.empty((0, 2), np.int64), *self._spans])
        self._spans = []
        # The rows, and what lies between them, in turn.
        offsets = pa.py_buffer(np.ascontiguousarray(spans, np.int32))
        count = max(2 * len(spans) - 1, 0)
        pieces = (
            pa.StringArray.from_buffers(count, offsets, pa.py_buffer(block)) if count else pa.array([], pa.string())
        )
        rows = pieces.take(pa.array(np.arange(0, count, 2)))
        trimmed = pc.ascii_ltrim_whitespace(rows)
        filled = np.flatnonzero(pc.binary_length(trimmed).to_numpy())
        numbers = np.arange(self._rows + 1, self._rows + len(filled) + 1, dtype=np.int64)
        self._rows += len(filled)
        return text_batch(trimmed.take(pa.array(filled)).view(pa.binary()), numbers, done)


def _unescaped(key: bytes) -> str:
    try:
        return str(json.loads(b'"%b"' % key))
    except ValueError:
        return key.decode("utf-8", "backslashreplace")
