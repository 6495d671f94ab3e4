"""The tracks of a release, with what else the warehouse knows of them."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from adbc_driver_postgresql import dbapi

from assets.publish.fetching import fetch_in_batches
from serving_api.contract import NO_DETAILS, Track
from warehouse.dates import sql_date


def heard_tracks(connection: dbapi.Connection, as_of: date) -> Iterator[list[Track]]:
    """The tracks that had been heard by then, in batches, by key; their details are those of now."""
    rows = fetch_in_batches(
        connection,
        "with tags as (select track_key, array_agg(tag order by position) as tags from core.dim_track_tags"
        " group by track_key)"
        " select track_key, track_id, title, artist_name, artist_id, recording_mbid, duration_ms, isrc, tags"
        " from core.dim_tracks inner join features.feat_track using (track_key)"
        " left join core.dim_track_details using (track_key) left join tags using (track_key)"
        f" where as_of = {sql_date(as_of)} order by track_key",
    )
    for batch in rows:
        yield [_track(*row) for row in batch]


def _track(*row: Any) -> Track:
    *record, duration_ms, isrc, tags = row
    # The rest no source has told the warehouse so far.
    details = NO_DETAILS._replace(duration_ms=duration_ms, isrc=isrc, tags=tuple(tags or ()))
    return Track(*record)._replace(details=details)
