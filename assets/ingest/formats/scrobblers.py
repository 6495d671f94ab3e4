"""What scrobblers write: Last.fm exports with the columns uts, artist and track, Maloja, Pano Scrobbler, and the
`.scrobbler.log` of players such as Rockbox.
"""

from assets.ingest.formats.export import Export

_NAMED = {"artist_name": "artist", "title": "track"}

LASTFM = Export(
    name="lastfm",
    described="a Last.fm export with the columns uts, artist and track",
    files=("*.csv",),
    signs=(r"(?i)^\ufeff?\"?uts\"?,", r"(?i),\"?track\"?[,\r\n]"),
    keys={
        "format": "csv",
        "source": "lastfm",
        "columns": {**_NAMED, "listened_at": "uts", "artist_mbid": "artist_mbid", "recording_mbid": "track_mbid"},
        "optional": ["artist_mbid", "recording_mbid"],
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

SCROBBLER_LOG = Export(
    name="scrobbler-log",
    described="a .scrobbler.log",
    files=("*scrobbler.log",),
    signs=(r"^#AUDIOSCROBBLER/1\.",),
    keys={
        "format": "tsv",
        "source": "scrobbler-log",
        "quoted": False,
        "comment": "#",
        "header": ["artist", "album", "title", "number", "length", "rating", "time", "mbid"],
        "columns": {
            "artist_name": "artist", "title": "title", "listened_at": "time", "recording_mbid": "mbid",
            "skipped": {"column": "rating", "values": {"S": "true", "L": "false"}},
        },
        "time": {"unit": "s"},
    },
)  # fmt: skip
