"""ListenBrainz: the export of a user (a zip of JSON lines by year and month), listens as JSON lines, what is submitted
to its API, and the full and incremental dumps of everybody's listens in Parquet.
"""

from datetime import UTC, datetime

from assets.ingest.formats.export import Export
from assets.ingest.json_rows import JsonRules

# LISTEN_MINIMUM_TS of its API.
_EARLIEST = datetime(2002, 10, 1, tzinfo=UTC)
_INFO = "$.track_metadata.additional_info"
_MBID = "'([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?'"
# What ListenBrainz refuses when it is submitted, beside what no source may leave out: the limits are those of its API.
_CHECK = f"""CASE
    WHEN coalesce(json_type(text, '$.track_metadata'), '') <> 'OBJECT' THEN 'no_track_metadata'
    WHEN strlen(json(text)) > 10240 THEN 'too_large'
    WHEN json_array_length(text, '{_INFO}.tags') > 50 THEN 'too_many_tags'
    WHEN len(list_filter(json_extract_string(text, '{_INFO}.tags[*]'), lambda tag: length(tag) > 64)) > 0
    THEN 'too_long_tag'
    WHEN json_type(text, '$.track_metadata.release_name') NOT IN ('VARCHAR', 'NULL') THEN 'bad_release_name'
    WHEN list_bool_or(list_transform(
        ['{_INFO}.duration', '{_INFO}.duration_ms'],
        lambda path: json_exists(text, path)
            AND NOT coalesce(try_cast(json_extract_string(text, path) AS BIGINT) > 0, false)
    )) THEN 'bad_duration'
    WHEN list_bool_or(list_transform(
        list_concat(
            json_extract_string(text, ['{_INFO}.release_mbid', '{_INFO}.release_group_mbid', '{_INFO}.recording_mbid']),
            json_extract_string(text, '{_INFO}.artist_mbids[*]')
        ),
        lambda mbid: NOT regexp_full_match(mbid, {_MBID})
    )) THEN 'bad_mbid'
END"""

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
        "isrc": "track_metadata.additional_info.isrc",
        "duration_ms": "track_metadata.additional_info.duration_ms",
    },
    # Names of several artists are one text there, and its lists of names may be of another credit than its MBIDs.
    "credits": {
        "artist_mbid": [
            "track_metadata.additional_info.artist_mbids",
            "track_metadata.mbid_mapping.artist_mbids",
            "artist_credit_mbids",
        ],
        "may_lack": True,
    },
    # Rows without names or a time are rejected one by one.
    "optional": ["listened_at", "title", "artist_name", "recording_mbid", "isrc", "duration_ms"],
    "time": {"unit": "s"},
}

LISTENBRAINZ = Export(
    name="listenbrainz",
    described="an export or a dump of ListenBrainz",
    files=("*.jsonl", "*.parquet"),
    others=("feedback.jsonl", "pinned_recording.jsonl"),
    signs=(r'"listened_at"\s*:|^PAR1', r'"track_metadata"\s*:|^PAR1', r'(?s)\A(?!.*"payload"\s*:)'),
    earliest=_EARLIEST,
    keys=_KEYS,
)

SUBMITTED = Export(
    name="listenbrainz",
    described="listens as they are submitted to ListenBrainz",
    files=("*.json",),
    others=("user.json",),
    signs=(r'"payload"\s*:\s*\[', r'"(listened_at|track_metadata)"\s*:'),
    earliest=_EARLIEST,
    json=JsonRules(check=_CHECK),
    keys={**_KEYS, "format": "json", "rows": "payload"},
)
