"""What a release holds, on disk between being named and being written, so that it is read and packed only once."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from assets.publish.content import ReleaseError

# Of one command: large enough to be fast, small enough not to hold up readers.
ENTRIES_PER_COMMAND = 1000
BYTES_PER_COMMAND = 1 << 18


@dataclass(frozen=True)
class _Command:
    key: Callable[[str], str]
    entries: int
    size: int


class Spool:
    """Entries of hashes, in a file, as Redis takes them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._commands: list[_Command] = []

    def add(self, key: Callable[[str], str], fields: Sequence[bytes], payloads: Sequence[bytes]) -> None:
        """Add entries of the hash that `key` names of a release. Raises ReleaseError when the disk is full."""
        size = sum(map(len, fields)) + sum(map(len, payloads))
        step = min(ENTRIES_PER_COMMAND, 1 + BYTES_PER_COMMAND * len(fields) // max(size, 1))
        for start in range(0, len(fields), step):
            pairs = zip(fields[start : start + step], payloads[start : start + step], strict=True)
            entries = [
                b"$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(field), field, len(payload), payload) for field, payload in pairs
            ]
            body = b"".join(entries)
            left = memoryview(body)
            try:
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                raise ReleaseError(
                    f"no room for a release in {tempfile.gettempdir()}: {error.strerror};"
                    " make some, or set TMPDIR to a folder that has more"
                ) from error
            self._commands.append(_Command(key, len(entries), len(body)))

    def commands(self, release: str) -> Iterator[list[bytes]]:
        """The commands that write the entries under the name of a release, each in the parts that it is sent in."""
        self._file.seek(0)
        for command in self._commands:
            key = command.key(release).encode()
            head = b"*%d\r\n$4\r\nHSET\r\n$%d\r\n%b\r\n" % (2 + 2 * command.entries, len(key), key)
            yield [head, self._file.read(command.size)]


@contextmanager
def new_spool() -> Iterator[Spool]:
    """An empty spool in a file without a name, which goes with the process, however that ends.

    It lies where `tempfile` says (TMPDIR), and gets as large as the release.
    """
    # What is kept back in memory could fail to be written wherever it is written at last.
    with tempfile.TemporaryFile(buffering=0) as file:
        yield Spool(file)
