"""The landing folder: files dropped here are loaded by the next nightly run.

<landing>/lastfm-1k/<file>                      read as Last.fm 1K; user profiles go with the listens beside them
<landing>/lastfm-1k/<folder>/<the two files>    the data set's listens and profiles, under the data set's names
<landing>/tabular/<name>/mapping.toml           read as that mapping says:
<landing>/tabular/<name>/<files or folders>

Names that start with a dot are how uploads in progress are hidden. Anything else is a mistake, and said to be one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.ingest.lastfm_1k import LISTENS_NAMES, PROFILE_NAMES, LastFm1k
from assets.ingest.listing import list_files
from assets.ingest.load import load_files
from assets.ingest.mapping import read_mapping
from assets.ingest.records import LoadReport, Source
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError

MAPPING_NAME = "mapping.toml"
LAYOUT = f"lastfm-1k/ for the Last.fm 1K layout, tabular/<name>/ with a {MAPPING_NAME} for anything else"

_STRAYS_NAMED = 3


def landed(folder: Path) -> list[tuple[Source, list[Path]]]:
    """What lies in the landing folder, in the order in which it is loaded: by format, then by name.

    A drop without a file in it is nothing that has landed.

    Raises:
        AudoticsError: something lies where nothing is read, or a drop has no file that its reader knows, no mapping or
            one that cannot be used, or may not be read; all that are at fault are named. Or the landing folder itself
            cannot be read.
    """
    drops, faults = _survey(folder)
    if faults:
        raise _refusal(folder, faults)
    return drops


def load_landed(warehouse_url: str, folder: Path, loaded_by: str | None = None) -> list[LoadReport]:
    """Load what lies in the landing folder; files that are in the warehouse already are reported as such.

    Nothing is loaded of a drop that `landed` complains about, nor of a file that is refused. Everything else is,
    so that a fault of one sender holds up the files of no other: the error comes at the end, and names all faults.
    Where the warehouse itself fails, it comes at once, and names them too.

    Raises:
        AudoticsError: as `landed` and `load_files`.
    """
    drops, faults = _survey(folder)
    reports = []
    for source, paths in drops:
        refused: list[AudoticsError] = []
        try:
            reports += load_files(warehouse_url, source, paths, refused=refused, loaded_by=loaded_by)
        except AudoticsError as error:
            raise _refusal(folder, [*faults, *map(str, refused), str(error)]) from error
        faults += map(str, refused)
    if faults:
        raise _refusal(folder, faults, len(reports))
    return reports


def _survey(folder: Path) -> tuple[list[tuple[Source, list[Path]]], list[str]]:
    """What can be read, by format and then by name; and what is wrong with the rest."""
    if folder.exists() and not folder.is_dir():
        raise AudoticsError(f"the landing folder {folder} is a file; set AUDOTICS_LANDING to a folder")
    faults: list[str] = []
    strays = list(_strays(folder, faults))
    if strays:
        faults.insert(0, _stray_fault(folder, strays))
    found: list[tuple[Source, list[Path]]] = []
    lastfm, drops = LastFm1k(), []
    for drop in _drops(folder / "lastfm-1k", faults):
        with _noted(drop, faults):
            if drop.name not in PROFILE_NAMES and _files(drop):
                lastfm.find(list_files(drop))
                drops.append(drop)
    if drops:
        found.append((lastfm, drops))
    for drop in _drops(folder / "tabular", faults):
        with _noted(drop, faults):
            mapping = drop / MAPPING_NAME
            files = [path for path in _entries(drop) if path != mapping and _files(path)]
            if files:
                found.append((_tabular(mapping, files), files))
    return found, faults


def _drops(folder: Path, faults: list[str]) -> list[Path]:
    """What lies in a format's folder; nothing, and a fault, where that may not be read."""
    with _noted(folder, faults):
        return _entries(folder)
    return []


@contextmanager
def _noted(path: Path, faults: list[str]) -> Iterator[None]:
    """Note, once, what is wrong with something that lies there, and go on with what lies beside it."""
    try:
        yield
    except AudoticsError as error:
        fault = str(error)
    except OSError as error:
        fault = _unreadable(path, error)
    else:
        return
    if fault not in faults:
        faults.append(fault)


def _tabular(mapping: Path, files: list[Path]) -> Tabular:
    """The reader of a drop, which finds listens in all of it."""
    if not mapping.is_file():
        raise AudoticsError(f"{mapping.parent} has no {MAPPING_NAME}: put the mapping of its files there")
    source = Tabular(read_mapping(mapping), str(mapping))
    for file in files:
        source.find(list_files(file))
    return source


def _refusal(folder: Path, faults: list[str], loaded: int | None = None) -> AudoticsError:
    """The error that names all faults, and says, after a load, that the others are loaded."""
    rest = "" if loaded is None else f"; the other files ({loaded}) are loaded"
    if len(faults) == 1:
        return AudoticsError(f"{faults[0]}{rest}")
    numbered = "; ".join(f"({number}) {fault}" for number, fault in enumerate(faults, start=1))
    return AudoticsError(f"{len(faults)} faults in the landing folder {folder}: {numbered}{rest}")


def _stray_fault(folder: Path, strays: list[Path]) -> str:
    names = ", ".join(str(path) for path in strays[:_STRAYS_NAMED])
    more = f" and {len(strays) - _STRAYS_NAMED} more" if len(strays) > _STRAYS_NAMED else ""
    return (
        f"nothing reads {names}{more} in the landing folder {folder}; move what is to be loaded to where it is read"
        f" ({LAYOUT}), and the rest away"
    )


def _strays(folder: Path, faults: list[str]) -> Iterator[Path]:
    """Everything that no reader reads; what may not be read is added to the faults."""
    for path in _entries(folder):
        with _noted(path, faults):
            if path.name not in ("lastfm-1k", "tabular") or not path.is_dir():
                yield from _files(path)
    lastfm = folder / "lastfm-1k"
    with _noted(lastfm, faults):
        yield from _lonely_profiles(lastfm)
    for drop in _drops(lastfm, faults):
        with _noted(drop, faults):
            if drop.is_dir():
                yield from _lonely_profiles(drop)
                yield from (path for path in _files(drop) if not _is_read_with(drop, path))
    for path in _drops(folder / "tabular", faults):
        with _noted(path, faults):
            if not path.is_dir():
                yield path


def _is_read_with(drop: Path, path: Path) -> bool:
    """Whether a file of a Last.fm folder is one of the data set's two, or none of listens, such as a README."""
    beside = path.parent == drop and path.name in (*LISTENS_NAMES, *PROFILE_NAMES)
    return beside or not path.name.endswith((".tsv", ".tsv.gz"))


def _lonely_profiles(folder: Path) -> Iterator[Path]:
    """Profiles that are not read because the data set's listens do not lie beside them."""
    if not any((folder / name).is_file() for name in LISTENS_NAMES):
        yield from (path for path in _entries(folder) if path.name in PROFILE_NAMES)


def _files(path: Path) -> list[Path]:
    """The path itself or, of a folder, the files at any depth; nothing that is hidden."""
    return [file for each in _entries(path) for file in _files(each)] if path.is_dir() else [path]


def _entries(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise AudoticsError(_unreadable(folder, error)) from error


def _unreadable(path: Path, error: OSError) -> str:
    return (
        f"cannot read {error.filename or path} ({error.strerror}); make it one that you may read, or set"
        " AUDOTICS_LANDING to another landing folder"
    )
