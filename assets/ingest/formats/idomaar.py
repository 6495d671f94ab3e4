"""Idomaar, in which the 30Music data set comes: lines of type, id, time, properties and links, the last two in JSON.

Of the set's files, events.idomaar has every play; sessions.idomaar tells the same plays by session. Its entities
(users, tracks, persons …) say what ids are called, which is not read.
"""

from assets.ingest.formats.export import Export
from assets.ingest.json_rows import JsonRules

# Between the two parts in JSON stands a space or a tab.
_LINE = r'^(event\.\w+)\t(\d+)\t(-?\d+)\t(\{[^\t]*?\})\s+(\{\s*"subjects".*\})\s*$'
_AS_JSON = r'{"type": "\1", "time": \3, "properties": \4, "links": \5}'

IDOMAAR = Export(
    name="idomaar",
    described="events in the format of Idomaar",
    files=("*.idomaar",),
    others=("sessions.idomaar",),
    signs=(r"\Aevent\.(?!session\b)\w+\t\d+\t-?\d+\t\{",),
    by_content=True,
    json=JsonRules(line=_LINE, as_json=_AS_JSON),
    keys={
        "format": "jsonl",
        "source": "30music",
        "columns": {
            "listened_at": "time",
            "user_id": "links.subjects.0.id",
            "track_id": "links.objects.0.id",
            "ms_played": "properties.playtime",
        },
        "optional": ["user_id", "track_id", "ms_played"],
        "played_unit": "s",
        "time": {"unit": "s"},
        "leave_out": [{"rule": "not_a_play", "column": "type", "differs_from": ["event.play"]}],
    },
)

SESSIONS = Export(
    name="idomaar",
    described="sessions in the format of Idomaar, which tell the plays of events.idomaar once more; load that file",
    files=("*.idomaar",),
    signs=(r"\Aevent\.session\t",),
    keys={},
)

ENTITIES = Export(
    name="idomaar",
    described="entities in the format of Idomaar, which have no plays, and are not read; load events.idomaar, and what"
    " users or tracks are called as a table with --mapping (kind = 'profiles' or 'catalogue')",
    files=("*.idomaar",),
    signs=(r"\A(?!event\.)[a-z][a-z_.]*\t\d+\t-?\d+\t\{",),
    keys={},
)
