"""What a release says of tracks is what the warehouse knows of them."""

from datetime import date

import psycopg2

from assets.publish.track_content import heard_tracks
from serving_api.contract import NO_DETAILS, Track, TrackDetails
from warehouse.engine import adbc_connect

# What the query reads of the marts, with their meaning.
MARTS = """
    create schema if not exists core;
    create schema if not exists features;
    create table core.dim_tracks (
        track_key integer, track_id text, title text, artist_name text, artist_id text, recording_mbid text
    );
    insert into core.dim_tracks select track_key, 't-' || track_key, 'Song', null, 'a-1', null
    from generate_series(1, 5) as track_key;
    create table core.dim_track_details (track_key integer, isrc text, duration_ms integer);
    insert into core.dim_track_details values (1, 'FIABC2600001', 200000), (2, null, 100000), (5, null, 1);
    create table core.dim_track_tags (track_key integer, tag text, weight double precision, position integer);
    insert into core.dim_track_tags select 1, 'tag ' || 99 - position, 1, position
    from generate_series(1, 5) as position order by random();
    insert into core.dim_track_tags values (3, 'pop', 1, 1);
    create table features.feat_track (as_of date, track_key integer);
    insert into features.feat_track select date '2026-06-01', track_key from generate_series(1, 4) as track_key;
    insert into features.feat_track values (date '2026-06-02', 5);
"""


def test_tracks_come_with_their_code_length_and_first_tags(warehouse_url: str) -> None:
    with psycopg2.connect(warehouse_url) as connection, connection.cursor() as cursor:
        cursor.execute(MARTS)
    with adbc_connect(warehouse_url) as connection:
        tracks = [track for batch in heard_tracks(connection, date(2026, 6, 1)) for track in batch]
    first = tuple(f"tag {99 - position}" for position in range(1, 6))
    details = (
        TrackDetails(None, 200_000, "FIABC2600001", first, None, None),
        NO_DETAILS._replace(duration_ms=100_000),
        NO_DETAILS._replace(tags=("pop",)),
        NO_DETAILS,
    )
    assert tracks == [Track(key, f"t-{key}", "Song", None, "a-1", None, each) for key, each in enumerate(details, 1)]
