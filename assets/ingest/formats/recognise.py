"""Which format a file, a folder or an archive is of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.ingest.files import InputFile
from assets.ingest.formats.apple_music import APPLE_MUSIC
from assets.ingest.formats.deezer import DEEZER
from assets.ingest.formats.export import Export, head
from assets.ingest.formats.idomaar import ENTITIES, IDOMAAR, SESSIONS
from assets.ingest.formats.lastfm import LASTFM, LASTFM_LINES, LASTFM_PAGES, LASTFM_TABLE, LASTFM_TRACKS
from assets.ingest.formats.listenbrainz import LISTENBRAINZ, SUBMITTED
from assets.ingest.formats.scrobblers import LIBREFM, MALOJA, PANOSCROBBLER, SCROBBLER_LOGS
from assets.ingest.formats.spotify import SPOTIFY
from assets.ingest.formats.youtube import PAGES_OF_TAKEOUT, YOUTUBE
from assets.ingest.lastfm_1k import LISTENS_NAMES, LastFm1k
from assets.ingest.listing import Listing, list_files
from assets.ingest.records import Source
from warehouse.errors import AudoticsError

EXPORTS = (
    *(SPOTIFY, YOUTUBE, APPLE_MUSIC, DEEZER, LISTENBRAINZ, SUBMITTED),
    *(LASTFM, LASTFM_TABLE, LASTFM_PAGES, LASTFM_TRACKS, LASTFM_LINES),
    *(LIBREFM, MALOJA, PANOSCROBBLER, *SCROBBLER_LOGS, IDOMAAR),
)
# What people have beside these files, or instead of them.
_WITHOUT_LISTENS = (PAGES_OF_TAKEOUT, SESSIONS, ENTITIES)
_LASTFM_1K = LastFm1k().format
# What services call the folders that they hand out, in lower case: everybody's are called so.
_FOLDERS_OF_SERVICES = {
    *("takeout", "youtube and youtube music", "history"),
    *("mydata", "my_spotify_data", "spotify account data", "spotify extended streaming history"),
    *("apple_media_services", "apple_music_activity", "apple music activity"),
    *("listens", "listenbrainz", "scrobbles", "exports", "downloads"),
}
NAMES = tuple(dict.fromkeys([_LASTFM_1K, *(export.name for export in EXPORTS)]))


@dataclass(frozen=True)
class Recognised:
    """What a path or address holds.

    Attributes:
        source: the reader of its files.
        described: what it is, for people.
        passed_over: the files in it that are not of listens.
        listing: what lies there.
        needs_zone: whether the zone that was given is that of its times; false where they say it themselves.
    """

    source: Source
    described: str
    passed_over: tuple[str, ...]
    listing: Listing
    needs_zone: bool = False


def recognise_each(
    paths: Sequence[str], name: str | None, user: str | None, zone: str | None, refused: list[AudoticsError]
) -> Iterator[tuple[str, Recognised]]:
    """Recognise one path after the other, when it is asked for; what is not recognised is added to `refused`.

    Raises:
        AudoticsError: a zone is given, which none of them needs; before the first is yielded.
    """
    found = _each(paths, name, user, zone, refused)
    if zone is not None:
        found = iter(all_of_them := list(found))
        if all_of_them and not any(recognised.needs_zone for _, recognised in all_of_them):
            named = all_of_them[0][1].described if len(paths) == 1 else f"any of the {len(paths)} paths"
            raise AudoticsError(f"--zone has no effect on {named}: they say when their times were; leave it out")
    yield from found


def _each(
    paths: Sequence[str], name: str | None, user: str | None, zone: str | None, refused: list[AudoticsError]
) -> Iterator[tuple[str, Recognised]]:
    for path in paths:
        try:
            yield path, recognise(path, name, user, zone=zone)
        except AudoticsError as error:
            refused.append(error)


def recognise(
    given: str,
    name: str | None = None,
    user: str | None = None,
    folder: str | None = None,
    zone: str | None = None,
) -> Recognised:
    """Tell what lies at a path or address.

    Args:
        given: as `list_files` takes it.
        name: the format, one of NAMES; None to tell it from the files' names and first bytes.
        user: whose listens they are, whatever the rows say; by default whom they name, or the name of the folder.
        folder: that name, by default of the folder that was given.
        zone: the IANA zone of its times, where the format does not say it; without effect where it does.

    Raises:
        AudoticsError: nothing is there, it is of no known format or of several, the format has no such name, or it
            does not say whose listens it holds, or in which zone its times are.
    """
    if name is not None and name not in NAMES:
        raise AudoticsError(f"there is no format {name!r}; the formats are {', '.join(NAMES)}")
    listing = list_files(given)
    exports = {export for file in listing.files for export in _exports(file, name)}
    is_lastfm_1k = name in (None, _LASTFM_1K) and any(file.name in LISTENS_NAMES for file in listing.files)
    if name == _LASTFM_1K or (is_lastfm_1k and not exports):
        if user is not None:
            raise AudoticsError(f"{given} names its users, so --user has no effect; leave it out")
        return Recognised(LastFm1k(), "listens in the layout of Last.fm 1K", (), listing)
    if not exports and (other := _without_listens(listing, name)):
        raise AudoticsError(other)
    if not exports and name is not None:
        exports = {export for export in EXPORTS if export.name == name}
        if len(exports) > 1:
            forms = "; ".join(sorted(export.described for export in exports))
            raise AudoticsError(
                f"{given} is of no form of {name} that is known ({forms}); say what its columns mean with --mapping"
            )
    if len(exports) != 1 or is_lastfm_1k:
        raise AudoticsError(_doubt(given, [export.described for export in exports], listing))
    (export,) = exports
    passed_over = tuple(file.relative for file in listing.files if not file.is_named and not export.holds_listens(file))
    try:
        source = export.source(user, folder or _folder(given, listing), zone)
    except AudoticsError as error:
        raise AudoticsError(f"{given}: {error}") from error
    return Recognised(source, export.described, passed_over, listing, export.needs_zone)


def _exports(file: InputFile, name: str | None) -> Iterable[Export]:
    possible = [
        export
        for export in EXPORTS
        if name in (None, export.name) and (file.is_named or export.has_listens(file.plain_name))
    ]
    if not possible:
        return []
    beginning = head(file)
    return [export for export in possible if export.recognises(beginning)]


def _folder(given: str, listing: Listing) -> str | None:
    """The name of the folder that was given; of an archive or a single file none, nor of one of several folders."""
    if any(file.is_named or file.in_archive for file in listing.files):
        return None
    if len({file.relative.partition("/")[0] for file in listing.files if "/" in file.relative}) > 1:
        return None
    name = given.rstrip("/").rpartition("/")[2] if "://" in given else Path(given).resolve().name
    return None if name.lower() in _FOLDERS_OF_SERVICES else name or None


def _without_listens(listing: Listing, name: str | None) -> str | None:
    """What to say of a place that has only files which are known to hold no listens."""
    for file in listing.files:
        others = [each for each in _WITHOUT_LISTENS if name in (None, each.name) and each.has_listens(file.plain_name)]
        if found := next((each for each in others if each.recognises(head(file))), None):
            return f"{file} is {found.described}"
    return None


def _doubt(given: str, described: list[str], listing: Listing) -> str:
    advice = f"say which with --format ({', '.join(NAMES)}), or what its columns mean with --mapping"
    if not described:
        return f"{given} is not of a format that is known; {advice}"
    return f"{given} looks like {' and '.join(sorted(described))}; {advice}, or give its files one by one"
