"""One file to load, wherever it lies: on this machine, in a store, in an archive."""

import hashlib
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from assets.ingest.archives import Archive
from assets.ingest.streams import InputStream, compression, damage_named, driver_named

_COPY_BYTES = 1 << 20
# How the stores say that an object is another one than before: by a tag of each version, or only by the time.
_TAG_KEYS = ("ETag", "etag", "generation")
_VERSION_KEYS = (*_TAG_KEYS, "LastModified", "updated", "mtime", "created")
# Some file systems count the time of change in steps of two seconds: whoever changes a file twice within one leaves no
# trace in it.
_UNSETTLED_SECONDS = 3.0


class Stamp(NamedTuple):
    """What shows that a file changed.

    Attributes:
        size: its bytes as they lie.
        version: its time of change in ns, or what the store says; of a file in an archive that of the archive, and the
            archive's size.
        changed_at: its time of change in seconds since 1970; -inf where the store tags every version, inf where nothing
            tells versions apart for certain.
    """

    size: int
    version: str
    changed_at: float

    def is_settled(self, now: float) -> bool:
        """Whether any change after `now`, in seconds since 1970, shows in the stamp."""
        return self.changed_at < now - _UNSETTLED_SECONDS


def version_of(info: Mapping[str, Any]) -> str:
    """Return what a store says of the version of an object, in the order of `_VERSION_KEYS`."""
    return " ".join(str(info[key]) for key in _VERSION_KEYS if info.get(key) is not None)


def plain_name(name: str) -> str:
    """Return the name of a file without the suffix of a compression."""
    return name[: len(name) - len(compression(name) or "")]


@dataclass(frozen=True)
class Stored:
    """A file in a file system or store."""

    filesystem: AbstractFileSystem
    path: str

    def open(self) -> Any:
        return self.filesystem.open(self.path, "rb")

    def stamp(self) -> Stamp:
        if isinstance(self.filesystem, LocalFileSystem):
            status = Path(self.path).stat()
            return Stamp(status.st_size, str(status.st_mtime_ns), status.st_mtime)
        self.filesystem.invalidate_cache()
        info = self.filesystem.info(self.path)
        return Stamp(info["size"], version_of(info), -math.inf if any(info.get(key) for key in _TAG_KEYS) else math.inf)

    def beside(self, name: str) -> "Stored | None":
        other = Stored(self.filesystem, _beside(self.path, name))
        return other if self.filesystem.isfile(other.path) else None


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    opened: Callable[[], Archive]
    archive: Stored
    name: str

    def open(self) -> Any:
        return self.opened().open(self.name)

    def stamp(self) -> Stamp:
        archive = self.archive.stamp()
        return Stamp(self.opened().sizes[self.name], f"{archive.size} {archive.version}", archive.changed_at)

    def beside(self, name: str) -> "Member | None":
        other = _beside(self.name, name)
        return Member(self.opened, self.archive, other) if other in self.opened().sizes else None


@dataclass(frozen=True)
class InputFile:
    """One file to load.

    Attributes:
        shown: its name for people: what was given, and the names within a folder or an archive after it.
        address: its whole path or address: what raw.ingest_files keeps.
        relative: its path within the folder or archive that was given; of a file that was given itself, its name.
        is_named: whether it was given itself, by its name or a pattern, and not found in a folder or an archive.
    """

    shown: str
    address: str
    relative: str
    is_named: bool
    origin: Stored | Member = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.shown

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.relative.rpartition("/")[2]

    @property
    def plain_name(self) -> str:
        """Its name without the suffix of a compression: `listens.csv` of `listens.csv.gz`."""
        return plain_name(self.name)

    @property
    def in_archive(self) -> bool:
        """Whether it is a file within an archive."""
        return isinstance(self.origin, Member)

    def open(self) -> InputStream:
        """Return the stream of its decompressed bytes.

        Raises:
            AudoticsError: it is damaged, or encrypted.
            OSError: it cannot be read.
        """
        return self._stream(compression(self.name))

    def sha256(self) -> str:
        """Return the digest of its bytes: of a file in an archive as if it were unpacked, of any other as they lie.

        Raises:
            AudoticsError, OSError: as `open`.
        """
        digest = hashlib.sha256()
        with self._stream(None) as stream:
            while block := stream.read(_COPY_BYTES):
                digest.update(block)
        return digest.hexdigest()

    def stamp(self) -> Stamp:
        """Return what shows, asked again, that the file changed. Of a file in an archive the whole archive counts."""
        with driver_named(self.shown):
            return self.origin.stamp()

    def beside(self, name: str) -> "InputFile | None":
        """Return the file of that name in the same folder, if there is one."""
        origin = self.origin.beside(name)
        if origin is None:
            return None
        shown, address, relative = (_beside(path, name) for path in (self.shown, self.address, self.relative))
        return InputFile(shown, address, relative, is_named=False, origin=origin)

    @contextmanager
    def random_access(self) -> Iterator[Any]:
        """Give what a library needs that reads here and there: the path of a plain local file, else a seekable stream.

        What is compressed or in an archive is unpacked into a temporary file without a name.
        """
        compressed = compression(self.name)
        if isinstance(self.origin, Member) or compressed:
            with tempfile.TemporaryFile() as spool, self._stream(compressed) as stream:
                shutil.copyfileobj(stream, spool, _COPY_BYTES)
                spool.seek(0)
                yield spool
        elif isinstance(self.origin.filesystem, LocalFileSystem):
            yield self.origin.path
        else:
            with self.origin.open() as stream:
                yield stream

    def _stream(self, compressed: str | None) -> InputStream:
        with driver_named(self.shown), damage_named(self.shown):
            return InputStream(self.shown, self.origin.open(), self.origin.stamp().size, compressed)


def _beside(path: str, name: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{name}"
