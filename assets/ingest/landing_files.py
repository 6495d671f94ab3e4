"""What lies in the landing folder, by name, size and time of change: nothing is opened for it."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from assets.ingest.files import version_of
from assets.ingest.listing import filesystem_of, is_hidden, printable
from assets.ingest.streams import driver_named
from warehouse.errors import AudoticsError
from warehouse.wording import counted

# How programs name what they have not finished writing, beside a dot in front.
_IN_PROGRESS = (".part", ".tmp")


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing folder, as it lies there now.

    Attributes:
        given: its path or address, to open it by.
        relative: its path in the landing folder.
        size: in bytes.
        version: its time of change in ns, or what the store says.
        unreadable: why a folder cannot be listed, or an entry not examined; such a one has no size.
    """

    given: str
    relative: str
    size: int = 0
    version: str = ""
    unreadable: str | None = None

    @property
    def path(self) -> str:
        """Its path or address as it is printed and stored."""
        return printable(self.given)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of its path in the landing folder."""
        return tuple(self.relative.split("/"))

    @property
    def stamp(self) -> tuple[int, str]:
        """What a change shows in."""
        return self.size, self.version


def list_landing(landing: Path | str, noted: Iterable[str] = ()) -> list[LandedFile]:
    """List the files in the landing folder at any depth, by path; a folder that is not there holds none.

    Uploads in progress are left out: what begins with a dot, or ends in `.part` or `.tmp`. A folder that may not be
    read is listed as such, and so is a landing folder on this machine that has nothing at all in it, not so much as a
    folder, where files were `noted` to lie: it may not be mounted.

    Raises:
        AudoticsError: the landing folder is a file, or the store cannot be reached.
    """
    text = str(landing).rstrip("/")
    filesystem, root = filesystem_of(text)
    try:
        with driver_named(text):
            if filesystem.isfile(root):
                raise AudoticsError(f"the landing folder {text} is a file; set AUDOTICS_LANDING to a folder")
            if not isinstance(filesystem, LocalFileSystem):
                files = _stored(filesystem, text, root)
            elif (lay := sum(path.startswith(f"{printable(text)}/") for path in noted)) and _is_bare(text):
                return [LandedFile(text, "", unreadable=f"nothing is there, where {counted(lay, 'file')} lay")]
            else:
                files = _local(text, "", ())
            return sorted((file for file in files if not _is_hidden(file.relative)), key=lambda file: file.parts)
    except OSError as error:
        raise AudoticsError(
            f"cannot read the landing folder {text}: {error}; check AUDOTICS_LANDING and the credentials for it"
        ) from error


def gone_from(known: Iterable[str], lying: Iterable[LandedFile]) -> list[str]:
    """Which of the paths known before lie there no longer; what lies below what cannot be read may still be there."""
    files = list(lying)
    there, hiding = {file.path for file in files}, tuple(f"{file.path}/" for file in files if file.unreadable)
    return [path for path in known if path not in there and not path.startswith(hiding)]


def _is_bare(folder: str) -> bool:
    """Whether a folder has no entry, or is not there."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError as error:
        return error.errno == errno.ENOENT


def _local(folder: str, relative: str, above: tuple[str, ...]) -> Iterator[LandedFile]:
    """The files below a folder; `above` are the real paths of the folders that lead to it."""
    place = os.path.realpath(folder)
    if place in above:
        # A link to a folder that it lies in.
        yield LandedFile(folder, relative, unreadable=os.strerror(errno.ELOOP))
        return
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except FileNotFoundError:
        return
    except OSError as error:
        yield LandedFile(folder, relative, unreadable=error.strerror or str(error))
        return
    for entry in found:
        name = f"{relative}/{entry.name}".lstrip("/")
        if _is_hidden(entry.name):
            continue
        try:
            if entry.is_dir():
                yield from _local(entry.path, name, (*above, place))
                continue
            status = entry.stat()
        except FileNotFoundError as error:
            # Unless it is a link, it was moved away meanwhile.
            if entry.is_symlink():
                yield LandedFile(entry.path, name, unreadable=error.strerror)
        except OSError as error:
            yield LandedFile(entry.path, name, unreadable=error.strerror or str(error))
        else:
            if stat.S_ISREG(status.st_mode):
                yield LandedFile(entry.path, name, status.st_size, str(status.st_mtime_ns))


def _stored(filesystem: AbstractFileSystem, landing: str, root: str) -> Iterator[LandedFile]:
    for path, info in filesystem.find(root, detail=True).items():
        relative = path.removeprefix(root).lstrip("/")
        if relative and not relative.endswith("/"):
            yield LandedFile(f"{landing}/{relative}", relative, info["size"], version_of(info))


def _is_hidden(path: str) -> bool:
    return is_hidden(path) or any(part.lower().endswith(_IN_PROGRESS) for part in path.split("/"))
