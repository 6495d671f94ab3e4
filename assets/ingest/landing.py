"""The landing folder: files dropped here are loaded by the next nightly run.

<landing>/lastfm-1k/<file or folder>            read as Last.fm 1K; or the data set's two files themselves
<landing>/tabular/<name>/mapping.toml           read as that mapping says:
<landing>/tabular/<name>/<files or folders>
"""

from pathlib import Path

from assets.ingest.lastfm_1k import LISTENS_NAME, PROFILE_NAME, LastFm1k
from assets.ingest.load import load_files
from assets.ingest.mapping import read_mapping
from assets.ingest.records import LoadReport, Source
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError

MAPPING_NAME = "mapping.toml"


def landed(folder: Path) -> list[tuple[Source, list[Path]]]:
    """What lies in the landing folder, in the order in which it is loaded: by format, then by name.

    Raises:
        AudoticsError: a folder under `tabular` has no mapping, or one that cannot be used.
    """
    found: list[tuple[Source, list[Path]]] = []
    lastfm = folder / "lastfm-1k"
    # The profiles go with the listens beside them, which are found through their folder.
    drops = [lastfm if path.name == LISTENS_NAME else path for path in _entries(lastfm) if path.name != PROFILE_NAME]
    if drops:
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


def _entries(folder: Path) -> list[Path]:
    # Names that start with a dot are how uploads in progress are hidden.
    return sorted(path for path in folder.glob("*") if not path.name.startswith(".")) if folder.is_dir() else []
