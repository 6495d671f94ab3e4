"""What scrobblers write: Libre.fm, Maloja, Pano Scrobbler, and the `.scrobbler.log` of players such as Rockbox."""

from assets.ingest.formats.export import Export

_NAMED = {"artist_name": "artist", "title": "track"}

LIBREFM = Export(
    name="librefm",
    described="a Libre.fm export",
    files=("*.csv",),
    signs=(r"(?im)^\ufeff?(userid,)?artist,track,(album,)?time\r?$",),
    keys={
        "format": "csv",
        "source": "librefm",
        # Some of them are in UTF-7 at their beginning, where a `#` is this.
        "comment": ["#", "+ACM-"],
        "columns": {"artist_name": ["Artist", "artist"], "title": ["Track", "track"], "listened_at": ["Time", "time"]},
        "time": {"unit": "s"},
    },
)

MALOJA = Export(
    name="maloja",
    described="a Maloja export",
    files=("*.json",),
    signs=(r'"maloja"\s*:', r'"scrobbles"\s*:'),
    keys={
        "format": "json",
        "rows": "scrobbles",
        "source": "maloja",
        "columns": {"listened_at": "time", "artist_name": "track.artists.0", "title": "track.title"},
        "optional": ["artist_name", "title"],
        "time": {"unit": "s"},
    },
)

PANOSCROBBLER = Export(
    name="panoscrobbler",
    described="a Pano Scrobbler export",
    files=("*.jsonl", "*.json"),
    signs=(r'"timeMs"\s*:', r'"event"\s*:', r'"track"\s*:'),
    keys={
        "format": "jsonl",
        "source": "panoscrobbler",
        "columns": {**_NAMED, "listened_at": "timeMs"},
        "time": {"unit": "ms"},
        "leave_out": [{"rule": "not_a_scrobble", "column": "event", "differs_from": ["scrobble", ""]}],
    },
)

_LOG_KEYS = {
    "format": "tsv",
    "source": "scrobbler-log",
    "quoted": False,
    "comment": "#",
    "header": ["artist", "album", "title", "number", "length", "rating", "time", "mbid"],
    "columns": {
        "artist_name": "artist", "title": "title", "listened_at": "time", "recording_mbid": "mbid",
        "duration_ms": "length", "skipped": {"column": "rating", "values": {"S": "true", "L": "false"}},
    },
    "duration_unit": "s",
    "time": {"unit": "s"},
}  # fmt: skip
_LOG_SIGN, _UTC_SIGN = r"\A\ufeff?#AUDIOSCROBBLER/1\.", r"(?m)^#TZ/UTC\b"

SCROBBLER_LOG = Export(
    name="scrobbler-log",
    described="a .scrobbler.log in UTC",
    files=("*scrobbler.log",),
    signs=(_LOG_SIGN, _UTC_SIGN),
    keys=_LOG_KEYS,
)

# Players without a clock in UTC count seconds since 1970 in the zone where they are.
LOCAL_SCROBBLER_LOG = Export(
    name="scrobbler-log",
    described="a .scrobbler.log of local times",
    files=("*scrobbler.log",),
    signs=(_LOG_SIGN, rf"(?s)\A(?!.*{_UTC_SIGN.removeprefix('(?m)^')})"),
    needs_zone=True,
    keys=_LOG_KEYS,
)
