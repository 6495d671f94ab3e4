"""What tools call the fields of a listen: the one table of names by which columns are guessed."""

import re
from collections.abc import Iterable, Mapping

# The likeliest name first; letter case and what is not a letter or a digit do not matter.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "listened_at": (
        *("listened_at", "played_at", "scrobbled_at", "uts", "timestamp", "ts", "start_time", "listened_at_iso"),
        *("event_start_timestamp", "date_time", "utc_time", "time", "date", "played_on", "end_time", "ended_at"),
    ),
    "artist_name": (
        *("artist_name", "artist", "master_metadata_album_artist_name", "artist_names", "artists", "track_artist"),
        *("performer", "band", "creator"),
    ),
    "title": (
        *("track_name", "track_title", "title", "track", "song_name", "song_title", "song"),
        *("master_metadata_track_name", "recording_name", "name"),
    ),
    "user_id": ("user_id", "user_name", "user", "listener", "listener_id", "account", "profile"),
    "artist_id": ("artist_id", "artist_uri", "spotify_artist_uri"),
    "track_id": ("track_id", "spotify_track_uri", "track_uri", "song_id", "spotify_id", "track_identifier", "id"),
    "recording_mbid": ("recording_mbid", "track_mbid", "musicbrainz_track_id", "mbid"),
    "artist_mbid": ("artist_mbid", "artist_mbids", "musicbrainz_artist_id"),
    "isrc": ("isrc", "track_isrc"),
    "duration_ms": (
        *("duration_ms", "track_duration_ms", "media_duration_in_milliseconds", "length_ms", "track_duration"),
        *("track_length", "duration", "length"),
    ),
    "ms_played": (
        *("ms_played", "played_ms", "play_duration_milliseconds", "play_duration_ms", "listening_time"),
        *("seconds_played", "play_duration_seconds", "played_seconds", "play_duration"),
    ),
    "skipped": ("skipped", "is_skipped", "was_skipped", "skip"),
}

# Names that in an object within another one are those of whatever the object is.
_SAY_NOTHING_WITHIN = ("id", "name", "mbid")


def candidates(field: str, columns: Iterable[str]) -> list[str]:
    """Return the columns or dotted paths that may be a field, the likeliest first."""
    words = [_plain(word) for word in SYNONYMS[field]]
    found = [
        (min(map(words.index, named)), len(column), column)
        for column in columns
        if (named := [name for name in _names(column) if name in words])
    ]
    return [column for *_, column in sorted(found)]


def fields_named(columns: Iterable[str]) -> set[str]:
    """Return the fields that columns of these names may be."""
    names = list(columns)
    return {field for field in SYNONYMS if candidates(field, names)}


def _names(column: str) -> list[str]:
    """By what names a column, or the end of a path, may be known: of `song.artist.name` as artistname, not as name."""
    steps = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^.]+)', column)]
    names = [_plain(step) for step in steps if not step.isdigit()]
    if len(names) < 2:
        return names
    return ["".join(names[-2:]), *(name for name in names[-1:] if name not in _SAY_NOTHING_WITHIN)]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
