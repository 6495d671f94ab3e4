"""Zip and tar archives: what files they hold, and the bytes of each. Nothing is unpacked under a name from within."""

import shutil
import tarfile
import tempfile
import weakref
import zipfile
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any, Protocol

from fsspec import AbstractFileSystem

from assets.ingest.streams import InputStream, compression, damage_named
from warehouse.errors import AudoticsError

_COPY_BYTES = 1 << 20
_TAR_BLOCK = 512
# Short for .tar.gz and so on.
_TAR_SUFFIXES = {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}


class Archive(Protocol):
    """An archive that is open.

    Attributes:
        sizes: the bytes of each file in it, by name, in the order of the archive.
    """

    sizes: dict[str, int]

    def open(self, name: str) -> Any:
        """Return the stream of a file's bytes; several may be open at once."""


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive."""
    return name.lower().endswith((".zip", ".tar", *_TAR_SUFFIXES)) or _is_tar_within(name)


def open_archive(filesystem: AbstractFileSystem, path: str, shown: str) -> Archive:
    """Open an archive; a compressed tar goes decompressed into a temporary file, because its files are read one by one.

    It is closed when nobody refers to it any more.

    Raises:
        AudoticsError: it is damaged or cut off.
    """
    with damage_named(shown):
        if path.lower().endswith(".zip"):
            return _Zip(filesystem.open(path, "rb"), shown)
        suffix = PurePosixPath(path).suffix.lower()
        compressed = _TAR_SUFFIXES.get(suffix) or compression(path)
        if compressed is None:
            return _Tar(filesystem.open(path, "rb"))
        size = filesystem.info(path)["size"]
        with ExitStack() as opened:
            spool = opened.enter_context(tempfile.TemporaryFile())
            with InputStream(shown, filesystem.open(path, "rb"), size, compressed) as stream:
                shutil.copyfileobj(stream, spool, _COPY_BYTES)
            spool.seek(0)
            archive = _Tar(spool)
            opened.pop_all()
        return archive


def _is_tar_within(name: str) -> bool:
    compressed = compression(name)
    return compressed is not None and name.lower().endswith(f".tar{compressed}")


class _Zip:
    def __init__(self, stream: Any, shown: str) -> None:
        weakref.finalize(self, stream.close)
        self._shown = shown
        self._archive = zipfile.ZipFile(stream)
        # Windows programs write the folders in a name with backslashes.
        self._members = {
            member.filename.replace("\\", "/"): member for member in self._archive.infolist() if not member.is_dir()
        }
        self.sizes = {name: member.file_size for name, member in self._members.items()}

    def open(self, name: str) -> Any:
        member = self._members[name]
        if member.flag_bits & 1:
            raise AudoticsError(f"{self._shown}/{name} is encrypted; unpack the archive with its password first")
        return self._archive.open(member)


class _Tar:
    def __init__(self, stream: Any) -> None:
        weakref.finalize(self, stream.close)
        self._archive = tarfile.TarFile(fileobj=stream)
        # A link is another name of a file that is in the archive itself.
        self._members = {
            member.name.removeprefix("./").lstrip("/"): member for member in self._archive if member.isreg()
        }
        self.sizes = {name: member.size for name, member in self._members.items()}
        # tarfile takes a header that is cut off or overwritten for the end.
        stream.seek(self._archive.offset)
        if stream.read(_TAR_BLOCK) != bytes(_TAR_BLOCK):
            raise tarfile.ReadError(f"no end mark after {self._archive.offset:,} bytes")

    def open(self, name: str) -> Any:
        return self._archive.extractfile(self._members[name])
