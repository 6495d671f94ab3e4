"""The landing folder: which of its files are read, and as what.

<landing>/lastfm-1k/<file>                      read as Last.fm 1K; user profiles go with the listens beside them
<landing>/lastfm-1k/<folder>/<the two files>    the data set's listens and profiles, under the data set's names
<landing>/<format>/<file>                       an export of a service that says whose it is
<landing>/<format>/<user>/<files or folders>    any export; where its rows name nobody they are this user's
<landing>/<format>/<user>/options.toml           where the clock was, if its files do not say it
<landing>/tabular/<name>/mapping.toml           read as that mapping says:
<landing>/tabular/<name>/<files or folders>

Anything else is a mistake, and said to be one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from assets.ingest.archives import is_archive
from assets.ingest.files import plain_name
from assets.ingest.formats.recognise import EXPORTS, NAMES, recognise
from assets.ingest.landing_files import LandedFile, list_landing
from assets.ingest.landing_options import OPTIONS_NAME, read_zone
from assets.ingest.lastfm_1k import LISTENS_NAME, LISTENS_NAMES, PROFILE_NAMES, LastFm1k
from assets.ingest.listing import Listing, list_files
from assets.ingest.mapping import read_mapping
from assets.ingest.records import ABOUT_KNOWN, Source
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError

MAPPING_NAME = "mapping.toml"
_LASTFM_1K = LastFm1k().format
_EXPORTS = [name for name in NAMES if name != _LASTFM_1K]
LAYOUT = (
    f"{_LASTFM_1K}/ for the Last.fm 1K layout, <format>/<user>/ for an export ({', '.join(_EXPORTS)}),"
    f" tabular/<name>/ with a {MAPPING_NAME} for anything else"
)

# Finds out, when it is called, what reads a file.
Opened = Callable[[], tuple[Source, Listing]]


@dataclass(frozen=True)
class Landed:
    """A file in the landing folder, and what becomes of it.

    Attributes:
        drop: the folder that it was put there with: a change of its mapping or profiles concerns all that lies there.
        format: as raw.ingest_files has it; empty where `opened` is None.
        opened: what reads it; None for what goes with other files, and where there is a fault.
        fault: why nothing can read it, and what to do.
        is_last: whether it is loaded after all that is not.
    """

    file: LandedFile
    drop: str
    format: str = ""
    opened: Opened | None = None
    fault: str | None = None
    is_last: bool = False


def landed(landing: Path | str, noted: Iterable[str] = ()) -> list[Landed]:
    """What lies in the landing folder and what is to become of it, in the order in which it is loaded.

    That is by path, tags and blocks last: they are about tracks, artists and users that other files name. `noted` is as
    for `list_landing`.

    Raises:
        AudoticsError: as `list_landing`.
    """
    found: list[Landed] = []
    for top, group in groupby(list_landing(landing, noted), lambda file: file.parts[0]):
        files = []
        for file in group:
            if file.unreadable is None:
                files.append(file)
            else:
                found.append(Landed(file, file.relative, fault=_unreadable(file)))
        if top == _LASTFM_1K:
            found += _lastfm_1k(files, landing)
        elif top == "tabular":
            found += _tabular(files, landing)
        elif top in NAMES:
            found += _exports(top, files, landing)
        else:
            found += (_stray(file, landing) for file in files)
    return sorted(found, key=lambda each: (each.is_last, each.file.parts))


def _by_drop(files: Iterable[LandedFile], depth: int) -> Iterator[tuple[str, list[LandedFile]]]:
    """The files of each folder of that depth; of what lies above it, each by itself."""
    for parts, group in groupby(files, lambda file: file.parts[:depth]):
        yield "/".join(parts), list(group)


def _lastfm_1k(files: list[LandedFile], landing: Path | str) -> Iterator[Landed]:
    at_the_top = {file.parts[-1] for file in files if len(file.parts) == 2}
    for drop, group in _by_drop(files, 2):
        if len(group) == 1 and len(group[0].parts) <= 2:
            yield _lastfm_file(group[0], at_the_top, landing)
            continue
        beside = {file.parts[-1] for file in group if len(file.parts) == 3}
        has_listens = any(name in LISTENS_NAMES for name in beside) or any(is_archive(file.relative) for file in group)
        for file in group:
            name = file.parts[-1]
            if is_archive(name) or (len(file.parts) == 3 and name in (*LISTENS_NAMES, *PROFILE_NAMES)):
                yield _lastfm_file(file, beside, landing, drop)
            elif name.endswith((".tsv", ".tsv.gz")):
                yield _stray(file, landing)
            elif has_listens:
                yield Landed(file, drop)
            else:
                what = f"the folder {_place(landing, drop)} has no {LISTENS_NAME} (or .gz)"
                yield Landed(file, drop, fault=f"{what}; move {file.parts[-1]} away, or the listens there")


def _lastfm_file(file: LandedFile, beside: set[str], landing: Path | str, drop: str = _LASTFM_1K) -> Landed:
    if len(file.parts) < 2:
        return _stray(file, landing)
    if file.parts[-1] not in PROFILE_NAMES:
        return Landed(file, drop, _LASTFM_1K, partial(_opened, LastFm1k(), file))
    # Profiles are read with the data set's listens beside them.
    return Landed(file, drop) if any(name in beside for name in LISTENS_NAMES) else _stray(file, landing)


def _tabular(files: list[LandedFile], landing: Path | str) -> Iterator[Landed]:
    for drop, group in _by_drop(files, 2):
        mapping = next((file for file in group if file.relative == f"{drop}/{MAPPING_NAME}"), None)
        if len(group[0].parts) <= 2:
            yield _stray(group[0], landing)
        elif mapping is None:
            fault = f"{_place(landing, drop)} has no {MAPPING_NAME}; put the mapping of its files there"
            yield from (Landed(file, drop, fault=fault) for file in group)
        else:
            yield Landed(mapping, drop)
            yield from _mapped([file for file in group if file is not mapping], drop, mapping, landing)


def _mapped(files: list[LandedFile], drop: str, mapping: LandedFile, landing: Path | str) -> Iterator[Landed]:
    try:
        source = Tabular(read_mapping(mapping.given), mapping.path)
    except AudoticsError as error:
        yield from (Landed(file, drop, fault=str(error)) for file in files)
        return
    for folder, group in _by_drop(files, 3):
        wanted = {file.relative for file in group if len(file.parts) == 3 or _is_read(file, source.is_wanted)}
        for file in group:
            if file.relative in wanted:
                opened = partial(_opened, source, file)
                yield Landed(file, drop, source.format, opened, is_last=source.rules.kind in ABOUT_KNOWN)
            else:
                yield _passed_over(file, drop, folder, bool(wanted), landing)


def _exports(name: str, files: list[LandedFile], landing: Path | str) -> Iterator[Landed]:
    exports = [export for export in EXPORTS if export.name == name]
    needs_zone = any(export.needs_zone for export in exports)

    def has_listens(file: str) -> bool:
        return any(export.has_listens(file) for export in exports)

    for folder, group in _by_drop(files, 2):
        user = group[0].parts[1] if len(group[0].parts) > 2 else None
        options = next((file for file in group if user and file.relative == f"{folder}/{OPTIONS_NAME}"), None)
        zone, fault = _zone(options, name, needs_zone)
        wanted = {file.relative for file in group if file is not options and _is_read(file, has_listens)}
        for file in group:
            if len(file.parts) == 1:
                yield _stray(file, landing)
            elif file is options or (fault and needs_zone and file.relative in wanted):
                yield Landed(file, folder, fault=fault)
            elif file.relative in wanted:
                opened = partial(_recognised, file, name, user, zone)
                yield Landed(file, folder, f"{name}/{zone}" if zone else name, opened)
            else:
                yield _passed_over(file, folder, folder, bool(wanted) and user is not None, landing)


def _opened(source: Source, file: LandedFile) -> tuple[Source, Listing]:
    return source, list_files(file.given)


def _zone(options: LandedFile | None, name: str, needs_zone: bool) -> tuple[str | None, str | None]:
    """Return the zone that the options of a folder say, and what is wrong with them."""
    if options is None:
        return None, None
    if not needs_zone:
        return None, f"{options.path} has no effect on {name}, whose files say when their times were; move it away"
    try:
        return read_zone(options), None
    except AudoticsError as error:
        return None, str(error)


def _recognised(file: LandedFile, name: str, user: str | None, zone: str | None) -> tuple[Source, Listing]:
    try:
        found = recognise(file.given, name, folder=user, zone=zone)
    except AudoticsError as error:
        # What an option of the command would say, a folder cannot always.
        wrong = f"{file.path}: {str(error).partition('; ')[0]}"
        if "--user" in str(error):
            raise AudoticsError(f"{wrong}; move it to {name}/<user>/, a folder named after its user") from error
        if "--zone" in str(error):
            said = f'with zone = "Europe/Berlin", or whichever it was, in {name}/{user or "<user>"}/{OPTIONS_NAME}'
            raise AudoticsError(f"{wrong}; say it {said}") from error
        raise
    return found.source, found.listing


def _is_read(file: LandedFile, is_wanted: Callable[[str], bool]) -> bool:
    name = file.parts[-1]
    return is_archive(name) or is_wanted(plain_name(name))


def _passed_over(file: LandedFile, drop: str, folder: str, is_beside: bool, landing: Path | str) -> Landed:
    """A file of another kind: fine beside those that are read, such as a README; without any, they are missing."""
    if is_beside:
        return Landed(file, drop)
    fault = (
        f"nothing in {_place(landing, folder)} has the name of a file of {drop.partition('/')[0]} that is read;"
        " check what was put there"
    )
    return Landed(file, drop, fault=fault)


def _stray(file: LandedFile, landing: Path | str) -> Landed:
    fault = (
        f"nothing reads {file.path} in the landing folder {landing}; move it to where it is read ({LAYOUT}), or away"
    )
    return Landed(file, file.relative, fault=fault)


def _unreadable(file: LandedFile) -> str:
    if not file.relative:
        return (
            f"cannot read the landing folder {file.path} ({file.unreadable}); mount it, or make it one that you may"
            " read; if nothing is to be there any more, make any folder in it"
        )
    return (
        f"cannot read {file.path} ({file.unreadable}); make it one that you may read, or set AUDOTICS_LANDING to"
        " another landing folder"
    )


def _place(landing: Path | str, drop: str) -> str:
    return f"{str(landing).rstrip('/')}/{drop}"
