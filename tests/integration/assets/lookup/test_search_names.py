"""Which names a search index is made of, and in which order, read from marts of our own."""

from datetime import date

import psycopg2
import pytest

from assets.lookup.names import read_names
from serving_api.contract import SearchKind
from warehouse.engine import adbc_connect

AS_OF = date(2026, 6, 1)

# What the query reads of the marts, with their meaning.
MARTS = """
    create schema if not exists core;
    create schema if not exists features;
    create table core.dim_tracks (track_key integer, title text, artist_key integer, artist_name text);
    create table core.dim_artists (artist_key integer, artist_name text);
    create table features.feat_track (as_of date, track_key integer, listeners bigint, listeners_30d bigint);
    create table features.feat_artist (as_of date, artist_key integer, listeners bigint, listeners_30d bigint);
    insert into core.dim_artists values (1, 'Loved'), (2, 'Heard by two'), (3, 'Heard by nobody'), (4, null);
    insert into core.dim_tracks values (10, 'Much loved of late', 1, 'Loved'), (11, 'Loved long ago', 1, 'Loved'),
    (12, 'One heard it', 2, 'Heard by two'), (13, 'Two heard it', 2, 'Heard by two'), (14, null, 1, 'Loved'),
    (15, 'Never heard', 3, 'Heard by nobody'), (16, 'By somebody', null, null), (17, 'By someone', 4, null),
    (18, 'Two heard it lately', 1, 'Loved');
    insert into features.feat_track values ('2026-06-01', 10, 9, 5), ('2026-06-01', 11, 90, 2),
    ('2026-06-01', 12, 1, 1), ('2026-06-01', 13, 2, 2), ('2026-06-01', 14, 50, 50),
    ('2026-06-01', 16, 4, 0), ('2026-06-01', 17, 3, 3),
    ('2026-06-01', 18, 80, 0), ('2026-05-31', 15, 70, 70), ('2026-05-31', 10, 0, 0);
    insert into features.feat_artist values ('2026-06-01', 1, 95, 7), ('2026-06-01', 2, 2, 2),
    ('2026-05-31', 3, 70, 70);
"""


@pytest.fixture
def marts(warehouse_url: str) -> str:
    with psycopg2.connect(warehouse_url) as connection, connection.cursor() as cursor:
        cursor.execute(MARTS)
    return warehouse_url


def test_names_come_as_the_popular_list_orders_them_and_what_two_heard_after_all_others(marts: str) -> None:
    with adbc_connect(marts) as connection:
        names = list(read_names(connection, AS_OF))
    assert [(each.name, each.listed) for each in names] == [
        ("Loved", True),
        ("Much loved of late", True),
        ("By someone", True),
        # Two listeners of late count as none, and so do not stand before those who have none.
        ("Loved long ago", True),
        ("Two heard it lately", True),
        ("By somebody", True),
        # By their keys, whether one heard them or two.
        ("Heard by two", False),
        ("One heard it", False),
        ("Two heard it", False),
    ]
    by_name = {each.name: each for each in names}
    assert by_name["Two heard it"][:4] == (SearchKind.TRACK, 13, "Two heard it", "Heard by two")
    assert by_name["Loved"][:4] == (SearchKind.ARTIST, 1, "Loved", None)
    assert by_name["By somebody"].artist is None
