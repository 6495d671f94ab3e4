"""The landing folder: files dropped here are loaded by the next nightly run.

<landing>/lastfm-1k/<file>                      read as Last.fm 1K; user profiles go with the listens beside them
<landing>/lastfm-1k/<folder>/<the two files>    the data set's listens and profiles, under the data set's names
<landing>/tabular/<name>/mapping.toml           read as that mapping says:
<landing>/tabular/<name>/<files or folders>

Names that start with a dot are how uploads in progress are hidden. Anything else is a mistake, and said to be one.
"""

from collections.abc import Iterator
from pathlib import Path

from assets.ingest.lastfm_1k import LISTENS_NAME, PROFILE_NAME, LastFm1k
from assets.ingest.load import load_files
from assets.ingest.mapping import read_mapping
from assets.ingest.records import LoadReport, Source
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError

MAPPING_NAME = "mapping.toml"
LAYOUT = f"lastfm-1k/ for the Last.fm 1K layout, tabular/<name>/ with a {MAPPING_NAME} for anything else"

_LISTENS = (LISTENS_NAME, f"{LISTENS_NAME}.gz")
_PROFILES = (PROFILE_NAME, f"{PROFILE_NAME}.gz")
_STRAYS_NAMED = 3


def landed(folder: Path) -> list[tuple[Source, list[Path]]]:
    """What lies in the landing folder, in the order in which it is loaded: by format, then by name.

    Raises:
        AudoticsError: something lies where nothing is read, a folder under `tabular` has no mapping or one that cannot
            be used, or the landing folder itself cannot be read.
    """
    if folder.exists() and not folder.is_dir():
        raise AudoticsError(f"the landing folder {folder} is a file; set AUDOTICS_LANDING to a folder")
    _require_no_strays(folder)
    found: list[tuple[Source, list[Path]]] = []
    if drops := [path for path in _entries(folder / "lastfm-1k") if path.name not in _PROFILES]:
        found.append((LastFm1k(), drops))
    for drop in _entries(folder / "tabular"):
        mapping = drop / MAPPING_NAME
        if not mapping.is_file():
            raise AudoticsError(f"{drop} has no {MAPPING_NAME}: put the mapping of its files there")
        files = [path for path in _entries(drop) if path != mapping]
        if files:
            found.append((Tabular(read_mapping(mapping), str(mapping)), files))
    return found


def load_landed(warehouse_url: str, folder: Path) -> list[LoadReport]:
    """Load what lies in the landing folder; files that are in the warehouse already are reported as such.

    Raises:
        AudoticsError: as `landed` and `load_files`; files before the faulty one stay loaded.
    """
    return [report for source, paths in landed(folder) for report in load_files(warehouse_url, source, paths)]


def _require_no_strays(folder: Path) -> None:
    strays = list(_strays(folder))
    if not strays:
        return
    names = ", ".join(str(path) for path in strays[:_STRAYS_NAMED])
    more = f" and {len(strays) - _STRAYS_NAMED} more" if len(strays) > _STRAYS_NAMED else ""
    raise AudoticsError(
        f"nothing reads {names}{more} in the landing folder {folder}; move what is to be loaded to where it is read"
        f" ({LAYOUT}), and the rest away"
    )


def _strays(folder: Path) -> Iterator[Path]:
    """Everything that no reader would look at."""
    for path in _entries(folder):
        if path.name not in ("lastfm-1k", "tabular") or not path.is_dir():
            yield from _files(path)
    lastfm = folder / "lastfm-1k"
    yield from _lonely_profiles(lastfm)
    for drop in _entries(lastfm):
        if drop.is_dir():
            yield from _lonely_profiles(drop)
            yield from (path for path in _files(drop) if not _is_read_with(drop, path))
    yield from (path for path in _entries(folder / "tabular") if not path.is_dir())


def _is_read_with(drop: Path, path: Path) -> bool:
    """Whether a file of a Last.fm folder is one of the data set's two, or none of listens, such as a README."""
    beside = path.parent == drop and path.name in (*_LISTENS, *_PROFILES)
    return beside or not path.name.endswith((".tsv", ".tsv.gz"))


def _lonely_profiles(folder: Path) -> Iterator[Path]:
    """Profiles that are not read because the data set's listens do not lie beside them."""
    if not any((folder / name).is_file() for name in _LISTENS):
        yield from (path for path in _entries(folder) if path.name in _PROFILES)


def _files(path: Path) -> list[Path]:
    """The path itself or, of a folder, the files at any depth; nothing that is hidden."""
    return [file for each in _entries(path) for file in _files(each)] if path.is_dir() else [path]


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise AudoticsError(
            f"cannot read {folder} ({error.strerror}); make it a folder that you may read, or set AUDOTICS_LANDING"
            " to another landing folder"
        ) from error
