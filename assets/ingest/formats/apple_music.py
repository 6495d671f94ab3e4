"""Apple Music: the play activity of Apple's export of personal data. Its columns changed their names over the years;
each row is an event, and an IP address is in it, which nothing here asks for.

What failed to load was not heard: it is left out and counted. A row that tells only when playback ended, and how long
it was, tells by that when it started.
"""

from assets.ingest.formats.export import Export

_SKIPPED = (
    *("TRACK_SKIPPED_FORWARDS", "TRACK_SKIPPED_BACKWARDS", "SKIPPED_FORWARDS", "SKIPPED_BACKWARDS"),
    "MANUALLY_SELECTED_PLAYBACK_OF_A_DIFF_ITEM",
)
_NOT_SKIPPED = (
    *("NATURAL_END_OF_TRACK", "PLAYBACK_MANUALLY_PAUSED", "PLAYBACK_SUSPENDED", "EXITED_APPLICATION", "SCRUB_BEGIN"),
    *("SCRUB_END", "OTHER", "NOT_APPLICABLE", "PLAYBACK_STOPPED_DUE_TO_SESSION_TIMEOUT"),
)

APPLE_MUSIC = Export(
    name="apple-music",
    described="a play activity of Apple Music",
    files=("*Play Activity*.csv", "*Play_Activity*.csv"),
    signs=(r"Event Start Timestamp", r"Play Duration Milliseconds"),
    keys={
        "format": "csv",
        "source": "apple-music",
        "columns": {
            "listened_at": "Event Start Timestamp",
            "title": ["Song Name", "Content Name"],
            "artist_name": ["Artist Name", "Container Artist Name"],
            "ms_played": "Play Duration Milliseconds",
            "duration_ms": "Media Duration In Milliseconds",
            "skipped": {
                "column": "End Reason Type",
                "values": dict.fromkeys(_SKIPPED, "true") | dict.fromkeys(_NOT_SKIPPED, "false"),
            },
        },
        "optional": ["ms_played", "duration_ms", "skipped"],
        "time": {"unit": "iso8601", "offset": "UTC Offset In Seconds", "end": "Event End Timestamp"},
        "leave_out": [
            # A play has a row for its start as well, and there are rows for lyrics.
            {"rule": "not_a_play", "column": "Event Type", "differs_from": ["PLAY_END"]},
            {"rule": "failed_to_load", "column": "End Reason Type", "equals": ["FAILED_TO_LOAD"]},
            {"rule": "video", "column": "Media Type", "equals": ["VIDEO"]},
        ],
    },
)
