"""What scrobblers write: Libre.fm, Maloja, Pano Scrobbler, and the `.scrobbler.log` of players such as Rockbox."""

import re

from assets.ingest.formats.export import Export

LIBREFM = Export(
    name="librefm",
    described="a Libre.fm export",
    files=("*.csv",),
    signs=(r"(?im)^(userid,)?artist,track,(album,)?time\r?$",),
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
        "columns": {"artist_name": "artist", "title": "track", "listened_at": "timeMs"},
        "time": {"unit": "ms"},
        "leave_out": [{"rule": "not_a_scrobble", "column": "event", "differs_from": ["scrobble", ""]}],
    },
)

_LOG_COLUMNS = ["artist", "album", "title", "number", "length", "rating", "time", "mbid"]


def _log(version: str, in_utc: bool) -> Export:
    """Return a log of a version: the first one had no MBIDs."""
    columns = _LOG_COLUMNS if version == "1.1" else _LOG_COLUMNS[:-1]
    return Export(
        name="scrobbler-log",
        described=f"a .scrobbler.log {version} {'in UTC' if in_utc else 'of local times'}",
        files=("*scrobbler.log",),
        signs=(
            rf"\A#AUDIOSCROBBLER/{re.escape(version)}\b",
            r"(?m)^#TZ/UTC\b" if in_utc else r"(?s)\A(?!.*\n#TZ/UTC\b)",
        ),
        # Players without a clock in UTC count seconds since 1970 in the zone where they are.
        needs_zone=not in_utc,
        keys={
            "format": "tsv",
            "source": "scrobbler-log",
            "quoted": False,
            "comment": "#",
            "header": columns,
            "columns": {
                "artist_name": "artist",
                "title": "title",
                "listened_at": "time",
                "duration_ms": "length",
                "skipped": {"column": "rating", "values": {"S": "true", "L": "false"}},
                **({"recording_mbid": "mbid"} if "mbid" in columns else {}),
            },
            "duration_unit": "s",
            # What players write for a file without tags.
            "nulls": ["<Untagged>"],
            "time": {"unit": "s"},
        },
    )


SCROBBLER_LOGS = tuple(_log(version, in_utc) for version in ("1.1", "1.0") for in_utc in (True, False))
