"""What tools write that fetch a listener's scrobbles from Last.fm. Its times are UTC."""

from assets.ingest.formats.export import Export

_NAMED = {"artist_name": "artist", "title": "track"}
_NOW = "now_playing"

LASTFM = Export(
    name="lastfm",
    described="a Last.fm export with the columns uts, artist and track",
    files=("*.csv",),
    signs=(r"(?i)\A\"?uts\"?,", r"(?i)\A[^\r\n]*,\"?track\"?[,\r\n]"),
    keys={
        "format": "csv",
        "source": "lastfm",
        "columns": {**_NAMED, "listened_at": "uts", "artist_mbid": "artist_mbid", "recording_mbid": "track_mbid"},
        "optional": ["artist_mbid", "recording_mbid"],
        "time": {"unit": "s"},
        "leave_out": [{"rule": _NOW, "column": "uts", "missing": True}],
    },
)

LASTFM_TABLE = Export(
    name="lastfm",
    described="a Last.fm export of artist, album, title and date, without header",
    files=("*.csv",),
    # What was playing then stands in the first row or the last, and has no date.
    signs=(r"\A([^\r\n]*,(\"\")?\r?\n)?[^\r\n]+,\"?\d{1,2} [A-Z][a-z]{2} \d{4},? \d{2}:\d{2}\"?\r?(\n|\Z)",),
    keys={
        "format": "csv",
        "source": "lastfm",
        "header": ["artist", "album", "title", "date"],
        "columns": {"artist_name": "artist", "title": "title", "listened_at": "date"},
        "time": {"unit": ["%d %b %Y %H:%M", "%d %b %Y, %H:%M"]},
        "leave_out": [{"rule": _NOW, "column": "date", "missing": True}],
    },
)

_PAGE_KEYS = {
    "format": "json",
    "source": "lastfm",
    "columns": {
        "listened_at": "date.uts",
        "title": "name",
        "artist_name": ["artist.#text", "artist.name"],
        "artist_mbid": "artist.mbid",
        "recording_mbid": "mbid",
    },
    "optional": ["listened_at", "title", "artist_name", "artist_mbid", "recording_mbid"],
    "time": {"unit": "s"},
    "leave_out": [{"rule": _NOW, "column": "@attr.nowplaying", "equals": ["true"]}],
}
_PAGES_SIGN = r'"recenttracks"\s*:'
_TRACK_SIGNS = (r'"artist"\s*:\s*\{', r'"uts"\s*:')

LASTFM_PAGES = Export(
    name="lastfm",
    described="pages of Last.fm's API",
    files=("*.json", "*.jsonl"),
    signs=(_PAGES_SIGN, *_TRACK_SIGNS),
    by_content=True,
    keys={**_PAGE_KEYS, "rows": "recenttracks.track"},
)

LASTFM_TRACKS = Export(
    name="lastfm",
    described="tracks of Last.fm's API",
    files=("*.json", "*.jsonl"),
    signs=(rf"(?s)\A(?!.*{_PAGES_SIGN})", *_TRACK_SIGNS),
    by_content=True,
    keys=_PAGE_KEYS,
)

LASTFM_LINES = Export(
    name="lastfm",
    described="tracks of Last.fm as lastexport.py writes them",
    files=("*.tsv", "*.txt"),
    signs=(r"\A(0|\d{9,10})(\t[^\t\r\n]*){6}\r?(\n|\Z)",),
    by_content=True,
    keys={
        "format": "tsv",
        "source": "lastfm",
        "quoted": False,
        "header": ["time", "track", "artist", "album", "track_mbid", "artist_mbid", "album_mbid"],
        "columns": {**_NAMED, "listened_at": "time", "artist_mbid": "artist_mbid", "recording_mbid": "track_mbid"},
        "time": {"unit": "s"},
        "leave_out": [{"rule": _NOW, "column": "time", "equals": ["0"]}],
    },
)
