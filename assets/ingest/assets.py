"""Raw tables: whatever has landed and is not loaded yet."""

from collections.abc import Iterator

import dagster as dg

from assets.dbt import OWNERS
from assets.ingest.landing import load_landed
from warehouse.engine import create_engine
from warehouse.resource import WarehouseResource

_TABLES = {
    "listens": "Listens, one row per (user, start of playback, track), each with the file it came from.",
    "rejected_listens": "Rows that could not be loaded: file, line, reason and original text.",
    "ingest_files": "Files loaded, with rows read = loaded + rejected + duplicates.",
    "users": "Users, with the profile where a source gives one.",
    "tracks": "Tracks, with their dense key and public id.",
    "artists": "Artists, with their dense key and public id.",
}
