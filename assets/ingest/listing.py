"""What lies at a path or address: a file, a folder, an archive, or all that match a pattern."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from assets.ingest.archives import Archive, is_archive, open_archive
from assets.ingest.files import InputFile, Member, Stored, plain_name
from assets.ingest.streams import driver_named
from warehouse.errors import AudoticsError

# Players hide their own log of listens.
_LOG_NAME = ".scrobbler.log"
_PATTERN = re.compile(r"[*?\[]")
_Opener = Callable[[AbstractFileSystem, str, str], Archive]


@dataclass(frozen=True)
class Listing:
    """What lies at a path or address.

    Attributes:
        given: what it is, for messages: `the folder x`, `the archive x.zip`, or its name.
        files: every file there, hidden ones apart, by path.
        damaged: archives in a folder that cannot be opened, each as the error that says why.
    """

    given: str
    files: tuple[InputFile, ...]
    damaged: tuple[AudoticsError, ...] = ()


def list_files(given: str | Path) -> Listing:
    """List the files at a path, or an address such as s3://bucket/exports.

    That may be a file, a folder, a zip or tar archive, a file or folder within an archive (`export.zip/MyData`), or a
    pattern with `*`, `?`, `[…]` or `**`. In a folder, archives count as folders, and what begins with a dot is left
    out, but for a `.scrobbler.log`. Archives within archives stay closed.

    Raises:
        AudoticsError: nothing is there, it cannot be read, or it is an archive that is damaged.
    """
    text = str(given)
    text = text.rstrip("/") or text
    filesystem, path = filesystem_of(text)
    place = _Place(filesystem, lru_cache(maxsize=1)(open_archive))
    try:
        with driver_named(text):
            return place.listing(text, path)
    except OSError as error:
        raise AudoticsError(f"cannot read {error.filename or text}: {error.strerror or error}; check it") from error


def filesystem_of(text: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a path or address, and the path there."""
    if "://" not in text:
        return LocalFileSystem(), str(LocalFileSystem()._strip_protocol(text))
    try:
        filesystem, path = fsspec.core.url_to_fs(text)
    except (ImportError, ValueError) as error:
        raise AudoticsError(
            f"cannot read {text}: {error}; install its fsspec driver, or copy the files here"
        ) from error
    # What another process put there is not in its memory.
    filesystem.invalidate_cache()
    return filesystem, path.rstrip("/")


@dataclass(frozen=True)
class _Place:
    """A file system, and the one archive in it that is open."""

    filesystem: AbstractFileSystem
    opener: _Opener

    def listing(self, text: str, path: str) -> Listing:
        if self.filesystem.isfile(path):
            if is_archive(path):
                return Listing(f"the archive {text}", tuple(self._members(text, path, "")))
            return Listing(text, (self._stored(text, path, path.rpartition("/")[2], is_named=True),))
        if self.filesystem.isdir(path):
            return self._folder(text, path)
        if archive := self._archive_above(path):
            return self._within(text, archive, path[len(archive) + 1 :])
        if _PATTERN.search(path):
            return self._matching(text, path)
        raise AudoticsError(f"there is no file or folder {text}; check the path")

    def _folder(self, text: str, folder: str) -> Listing:
        files: list[InputFile] = []
        damaged: list[AudoticsError] = []
        for name in _walk(self.filesystem, folder):
            shown, path = f"{text.rstrip('/')}/{name}", f"{folder.rstrip('/')}/{name}"
            if not is_archive(name):
                files.append(self._stored(shown, path, name))
                continue
            try:
                files += self._members(shown, path, f"{name}/")
            except AudoticsError as error:
                damaged.append(error)
        return Listing(f"the folder {text}", tuple(files), tuple(damaged))

    def _within(self, text: str, archive: str, wanted: str) -> Listing:
        """List a file of an archive, or the files in a folder of it."""
        shown = text[: len(text) - len(wanted) - 1]
        files = self._members(shown, archive, "")
        if named := [file for file in files if file.relative == wanted]:
            return Listing(text, tuple(replace(file, is_named=True) for file in named))
        if not (inside := [file for file in files if file.relative.startswith(f"{wanted}/")]):
            raise AudoticsError(f"the archive {shown} has no file or folder {wanted}; check the path")
        return Listing(f"the folder {text}", tuple(inside))

    def _matching(self, text: str, pattern: str) -> Listing:
        files: list[InputFile] = []
        damaged: list[AudoticsError] = []
        folder = _PATTERN.split(pattern, maxsplit=1)[0].rpartition("/")[0]
        for path in sorted(self.filesystem.glob(pattern), key=_parts):
            if is_hidden(path[len(folder) :]) and not is_hidden(pattern[len(folder) :]):
                continue
            found = self.listing(_shown(self.filesystem, path, text), path)
            files += found.files
            damaged += found.damaged
        if not files and not damaged:
            raise AudoticsError(f"no file matches {text}; check the pattern")
        return Listing(text, tuple(files), tuple(damaged))

    def _stored(self, shown: str, path: str, relative: str, is_named: bool = False) -> InputFile:
        address = _address(self.filesystem, path)
        return _input_file(shown, address, relative, Stored(self.filesystem, path), is_named)

    def _members(self, shown: str, path: str, prefix: str) -> list[InputFile]:
        stored = Stored(self.filesystem, path)
        address = _address(self.filesystem, path)

        def opened() -> Archive:
            return self.opener(self.filesystem, path, shown)

        return [
            _input_file(f"{shown}/{name}", f"{address}/{name}", f"{prefix}{name}", Member(opened, stored, name))
            for name in sorted(opened().sizes, key=_parts)
            if not is_hidden(name)
        ]

    def _archive_above(self, path: str) -> str | None:
        """Return the archive that a path goes on into."""
        parents = (str(parent) for parent in PurePosixPath(path).parents)
        return next((parent for parent in parents if is_archive(parent) and self.filesystem.isfile(parent)), None)


def _input_file(shown: str, address: str, relative: str, origin: Stored | Member, is_named: bool = False) -> InputFile:
    """Return a file whose names can be printed and stored, even where they are bytes that are not UTF-8."""
    shown, address, relative = map(printable, (shown, address, relative))
    return InputFile(shown, address, relative, is_named, origin)


def printable(name: str) -> str:
    """Return a name as it can be printed and stored."""
    return name.encode("utf-8", "backslashreplace").decode()


def _walk(filesystem: AbstractFileSystem, folder: str) -> list[str]:
    """Return the paths of the files in a folder, relative to it, hidden ones apart."""
    if isinstance(filesystem, LocalFileSystem):
        names = list(_walk_local(folder))
    else:
        names = [path.removeprefix(folder).lstrip("/") for path in filesystem.find(folder)]
    return sorted((name for name in names if name and not name.endswith("/") and not is_hidden(name)), key=_parts)


def _walk_local(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                yield str(path.relative_to(folder))


def is_hidden(path: str) -> bool:
    """Whether a part of a path begins with a dot, other than the name of a player's log of listens."""
    *folders, name = path.split("/")
    return any(folder.startswith(".") for folder in folders) or (name.startswith(".") and plain_name(name) != _LOG_NAME)


def _parts(path: str) -> list[str]:
    return path.split("/")


def _shown(filesystem: AbstractFileSystem, path: str, pattern: str) -> str:
    if not isinstance(filesystem, LocalFileSystem):
        return str(filesystem.unstrip_protocol(path))
    return path if Path(pattern).is_absolute() else os.path.relpath(path)


def _address(filesystem: AbstractFileSystem, path: str) -> str:
    if isinstance(filesystem, LocalFileSystem):
        return os.path.realpath(path)
    return str(filesystem.unstrip_protocol(path))
