"""YouTube Music, in the watch history of Google Takeout.

The account's language decides how the folder, the file and what stands before each title are called. What stands there
is taken off in English, French, German, Italian and Spanish; in others it stays in the title, which a mapping of one's
own can correct. What was watched on YouTube itself is in the same file, and is not taken for listening.
"""

from assets.ingest.formats.export import Export

_WATCHED = r'"titleUrl"\s*:\s*"[^"]*[?&]v(=|\\u003d)'

YOUTUBE = Export(
    name="youtube",
    described="a watch history of YouTube from Google Takeout",
    files=("*.json",),
    by_content=True,
    signs=(r'"header"\s*:\s*"YouTube', _WATCHED),
    # The history of searches has rows of the same keys, and advertisements that were watched; that of what was watched
    # may have a search.
    outnumbering=(_WATCHED, r'"titleUrl"\s*:\s*"[^"]*/(results|search)\?'),
    keys={
        "format": "json",
        "source": "youtube",
        "columns": {
            "listened_at": "time",
            # Without where in the video, or in which playlist, it was watched.
            "track_id": {"column": "titleUrl", "match": r"[?&]v=([A-Za-z0-9_-]+)"},
            "title": {
                "column": "title",
                "strip_prefix": ["Watched ", "Vous avez regardé ", "Has visto ", "Hai guardato "],
                "strip_suffix": " angesehen",
            },
            "artist_name": {"column": "subtitles.0.name", "strip_suffix": " - Topic"},
        },
        "optional": ["track_id", "title", "artist_name"],
        "time": {"unit": "iso8601"},
        "leave_out": [
            {"rule": "search", "column": "titleUrl", "contains": ["/results?", "/search?"]},
            {"rule": "not_youtube_music", "column": "header", "differs_from": ["YouTube Music"]},
            # Of what was deleted or made private since, no name is left.
            {"rule": "video_is_gone", "column": "subtitles.0.name", "missing": True},
        ],
    },
)

# Takeout's default, which says what is shown and not what it means.
PAGES_OF_TAKEOUT = Export(
    name="youtube",
    described="a history of Google Takeout as a web page; ask Takeout for it as JSON (under YouTube: multiple formats,"
    " history, JSON instead of HTML)",
    files=("*.html", "*.htm"),
    signs=(r"outer-cell", r"(?i)youtube"),
    keys={},
)
