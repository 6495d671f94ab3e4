"""Deezer: the workbook of its export of personal data. Its rows hold IP addresses, which nothing here asks for."""

from assets.ingest.formats.export import Export

_SHEET = "10_listeningHistory"

DEEZER = Export(
    name="deezer",
    described="an export of Deezer",
    files=("*.xlsx",),
    by_content=True,
    signs=(f'name="{_SHEET}"',),
    keys={
        "format": "xlsx",
        "source": "deezer",
        "sheet": _SHEET,
        "columns": {
            "listened_at": "Date",
            "title": "Song Title",
            "artist_name": "Artist",
            "isrc": "ISRC",
            "ms_played": "Listening Time",
        },
        "optional": ["isrc", "ms_played"],
        "played_unit": "s",
        "time": {"unit": "iso8601"},
    },
)
