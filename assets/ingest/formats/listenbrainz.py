"""ListenBrainz: the export of a user (a zip of JSON lines by year and month), listens as JSON lines, what is submitted
to its API, and the full and incremental dumps of everybody's listens in Parquet.
"""

from assets.ingest.formats.export import Export

_KEYS = {
    "source": "listenbrainz",
    "columns": {
        "user_id": ["user_name", "user_id"],
        "listened_at": "listened_at",
        "title": ["track_metadata.track_name", "recording_name"],
        "artist_name": ["track_metadata.artist_name", "artist_name"],
        # What the listener's program says goes before what ListenBrainz makes of the names.
        "recording_mbid": [
            "track_metadata.additional_info.recording_mbid",
            "track_metadata.mbid_mapping.recording_mbid",
            "recording_mbid",
        ],
        "artist_mbid": [
            "track_metadata.additional_info.artist_mbids.0",
            "track_metadata.mbid_mapping.artist_mbids.0",
            "artist_credit_mbids.0",
        ],
        "isrc": "track_metadata.additional_info.isrc",
        "duration_ms": "track_metadata.additional_info.duration_ms",
    },
    "optional": ["recording_mbid", "artist_mbid", "isrc", "duration_ms"],
    "time": {"unit": "s"},
}

LISTENBRAINZ = Export(
    name="listenbrainz",
    described="an export or a dump of ListenBrainz",
    files=("*.jsonl", "*.parquet"),
    others=("feedback.jsonl", "pinned_recording.jsonl"),
    signs=(r'"listened_at"\s*:|^PAR1', r'"track_metadata"\s*:|^PAR1', r'(?s)\A(?!.*"payload"\s*:)'),
    keys=_KEYS,
)

SUBMITTED = Export(
    name="listenbrainz",
    described="listens as they are submitted to ListenBrainz",
    files=("*.json",),
    others=("user.json",),
    signs=(r'"payload"\s*:\s*\[', r'"track_metadata"\s*:'),
    keys={**_KEYS, "format": "json", "rows": "payload"},
)
