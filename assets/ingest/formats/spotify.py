"""Spotify: extended streaming history (`endsong_*.json` until 2022, `Streaming_History_*.json` since) and the streaming
history of account data (`StreamingHistory*.json`).

Its times are the end of playback. Those of account data are cut to the minute and have no ids, and often tell of plays
that the extended history tells of as well: they are of a source of their own, so that such a play counts once. Rows
hold IP addresses and user agents, which nothing here asks for.
"""

from assets.ingest.formats.export import Export

SPOTIFY = Export(
    name="spotify",
    described="a streaming history of Spotify",
    files=("endsong*.json", "Streaming_History_*.json", "StreamingHistory*.json"),
    others=("StreamingHistory_podcast*", "StreamingHistory_audiobook*", "Streaming_History_Podcast*"),
    signs=(r'"(ts|endTime)"\s*:', r'"(ms_played|msPlayed)"\s*:', r'"(master_metadata_track_name|trackName)"\s*:'),
    sources={r'"endTime"\s*:': "spotify-account"},
    keys={
        "format": "json",
        "source": "spotify",
        "columns": {
            "user_id": "username",
            "listened_at": ["ts", "endTime"],
            "track_id": {"column": "spotify_track_uri", "strip_prefix": "spotify:track:"},
            "title": ["master_metadata_track_name", "trackName"],
            "artist_name": ["master_metadata_album_artist_name", "artistName"],
            "ms_played": ["ms_played", "msPlayed"],
            "skipped": "skipped",
        },
        "optional": ["track_id", "title", "artist_name", "skipped"],
        "time": {"unit": "iso8601", "event": "end"},
        "leave_out": [
            {"rule": "podcast", "column": "episode_name", "given": True},
            {"rule": "podcast", "column": "spotify_episode_uri", "given": True},
            {"rule": "audiobook", "column": "audiobook_title", "given": True},
            {"rule": "audiobook", "column": "audiobook_uri", "given": True},
            {"rule": "incognito", "column": "incognito_mode", "equals": ["true"]},
        ],
    },
)
