"""Bytes of an input file, decompressed as they are read; what is damaged is named with its place."""

import bz2
import gzip
import lzma
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from warehouse.errors import AudoticsError


def _zstd(stream: Any) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd")


_DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": _zstd,
}
_DAMAGE = (
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
    lzma.LZMAError,
    pa.ArrowException,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
# What the clients of stores raise beside OSError, by the module that has it; which of them is there, the driver of an
# address decides.
_CLIENT_ERRORS = {
    "aiohttp": ("ClientError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "gcsfs.retry": ("HttpError",),
    "google.auth.exceptions": ("GoogleAuthError",),
}
# A library may set aside as much memory as it is asked for.
_MOST_AT_ONCE = 16 << 20
# Of UTF-32.
_WIDEST_CHARACTER = 4


def compression(name: str) -> str | None:
    """Return how a file is compressed, as the suffix that says so (`.gz`, `.bz2`, `.xz`, `.zst`); None if it is not."""
    return next((suffix for suffix in _DECOMPRESSORS if name.lower().endswith(suffix)), None)


@contextmanager
def damage_named(shown: str, place: Callable[[], str] = str) -> Iterator[None]:
    """Turn what libraries raise on damaged bytes into an error that names the file, and the place if there is one.

    Raises:
        AudoticsError: the bytes are damaged or cut off.
    """
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        # An error with a number is of the machine, not of the bytes.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise AudoticsError(f"{shown} is damaged{place()} ({error}); fetch or compress it again") from error


@contextmanager
def driver_named(shown: str) -> Iterator[None]:
    """Turn what the client of a store raises into an error that names the address.

    Raises:
        AudoticsError: the store cannot be reached, or does not let this program in.
    """
    try:
        yield
    except client_errors() as error:
        raise AudoticsError(f"cannot read {shown}: {error}; check the address and the credentials for it") from error


def client_errors() -> tuple[type[Exception], ...]:
    """The errors of the clients that have been imported: no other can have raised one."""
    loaded = ((sys.modules[name], errors) for name, errors in _CLIENT_ERRORS.items() if name in sys.modules)
    return tuple(getattr(module, error) for module, errors in loaded for error in errors)


class InputStream:
    """A file being read from its start to its end.

    Args:
        shown: the file's name, for messages.
        stored: the stream of its bytes as they lie; closed with this one.
        size: how many those are.
        compressed: how they are compressed, as `compression` says.
    """

    def __init__(self, shown: str, stored: Any, size: int, compressed: str | None) -> None:
        self._shown = shown
        self._stored = stored
        self._size = size
        self._compressed = compressed is not None
        self._read = 0
        self._tail = b""
        self._stream = _DECOMPRESSORS[compressed](stored) if compressed else stored

    @property
    def done(self) -> float:
        """How much of the file has been read, 0 to 1."""
        return min(self._position() / max(self._size, 1), 1.0)

    @property
    def ends_in_line_end(self) -> bool:
        """Whether what has been read ends in LF or CR, in any encoding."""
        return self._tail.rstrip(bytes(1)).endswith((b"\n", b"\r"))

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the file; all that follow if it is negative.

        Raises:
            AudoticsError: the file is damaged, or ends before what it is packed in says that it ends.
        """
        parts, missing = [], size if size >= 0 else sys.maxsize
        with damage_named(self._shown, lambda: f" after {self._position():,} of its {self._size:,} bytes"):
            while missing and (part := self._stream.read(min(missing, _MOST_AT_ONCE))):
                parts.append(part)
                missing -= len(part)
                self._read += len(part)
                self._tail = (self._tail + part[-_WIDEST_CHARACTER:])[-_WIDEST_CHARACTER:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _position(self) -> int:
        """How many bytes of the file, as they lie, have been read."""
        return int(self._stored.tell()) if self._compressed else self._read

    def close(self) -> None:
        """Close the file."""
        if self._compressed:
            self._stream.close()
        self._stored.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
