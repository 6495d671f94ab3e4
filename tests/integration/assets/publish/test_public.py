"""What is popular counts people: one account changes any score by one at most, and shows nothing of its own."""

from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import psycopg2
import pytest
from psycopg2.extras import execute_values

from assets.candidates.trending import TrendingConfig
from assets.public import LEAST_LISTENERS
from assets.publish.popular_content import SMOOTHING, TRENDING_DAYS, country_popular, popular, trending
from warehouse.engine import adbc_connect

AS_OF = date(2026, 6, 1)
ACCOUNT = 900
OWN = 5_000
TRENDING = "(trending)"

Rows = list[tuple[int, int, int]]
"""User, track, days before AS_OF."""

# What the queries read of the marts, with their meaning.
MARTS = """
    create schema if not exists core;
    create schema if not exists features;
    create table core.fct_listens (user_key integer, track_key integer, listened_on date);
    create table core.dim_unlikely_listeners (user_key integer, unlikely_since date);
    create table core.dim_users (user_key integer, user_id text, country text);
    create view features.feat_track as
    select date '2026-06-01' as as_of, track_key, count(distinct user_key) as listeners,
    count(distinct user_key) filter (where listened_on >= date '2026-06-01' - 30) as listeners_30d
    from core.fct_listens where listened_on < date '2026-06-01' group by track_key;
"""


def world(seed: int, users: int = 40, tracks: int = 60) -> Rows:
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for track in draw.zipf(1.2, draw.integers(3, 25)) % tracks:
            rows.append((user, int(track), int(draw.integers(1, 90))))
    return rows


@pytest.fixture
def marts(warehouse_url: str) -> str:
    with psycopg2.connect(warehouse_url) as connection, connection.cursor() as cursor:
        cursor.execute(MARTS)
    return warehouse_url


def public_lists(url: str, rows: Rows) -> dict[str | None, dict[int, float]]:
    """Track to score, in the order of the list; by country, None overall, TRENDING of what is trending."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("truncate core.fct_listens, core.dim_users")
        listens = [(user, track, AS_OF - timedelta(days=days)) for user, track, days in rows]
        execute_values(cursor, "insert into core.fct_listens values %s", listens)
        profiles = [(user, str(user), "Finland" if user % 2 else None) for user in {user for user, *_ in rows}]
        execute_values(cursor, "insert into core.dim_users values %s", profiles)
    with adbc_connect(url) as connection:
        found = {
            None: popular(connection, AS_OF),
            TRENDING: trending(connection, AS_OF),
            **country_popular(connection, AS_OF, least_tracks=1),
        }
    return {
        country: dict(zip(tracks.track_keys.tolist(), tracks.scores.tolist(), strict=True))
        for country, tracks in found.items()
    }


def listeners(rows: Rows, country: str | None = None, days: int = 10_000) -> dict[int, int]:
    heard = defaultdict(set)
    for user, track, ago in rows:
        if ago <= days and (country is None or user % 2):
            heard[track].add(user)
    return {track: len(users) for track, users in heard.items()}


def test_only_people_count_and_only_where_there_are_enough(marts: str) -> None:
    for seed in range(4):
        rows = world(seed)
        draw = np.random.default_rng(seed)
        # One account plays one of its own tracks, and some common ones, thousands of times.
        often = [(ACCOUNT + 1, int(track), 1 + n % 29) for n, track in enumerate(draw.choice([OWN, 3, 41, 55], 3000))]
        before, after = public_lists(marts, rows), public_lists(marts, rows + often)
        assert before.keys() == after.keys() == {None, TRENDING, "Finland"}
        for each, found in ((rows, before), (rows + often, after)):
            ever, recent, there = listeners(each), listeners(each, days=30), listeners(each, "Finland", 30)
            enough = {track for track, count in ever.items() if count >= LEAST_LISTENERS}
            assert found[None] == {
                track: recent.get(track, 0) if recent.get(track, 0) >= LEAST_LISTENERS else 0 for track in enough
            }
            assert found["Finland"] == {track: count for track, count in there.items() if count >= LEAST_LISTENERS}
            for scores in found.values():
                assert list(scores.values()) == sorted(scores.values(), reverse=True)
        assert OWN not in after.pop(TRENDING)
        for country, scores in after.items():
            assert OWN not in scores
            # A third listener makes three of two that had not counted; else one listener is one.
            assert all(
                score - before[country].get(track, 0) in (0, 1) or score == LEAST_LISTENERS
                for track, score in scores.items()
            )


def test_the_log_of_one_person_has_no_public_list(marts: str) -> None:
    alone = [(1, track, 3) for track in range(50) for _ in range(20)]
    assert public_lists(marts, alone) == {None: {}, TRENDING: {}}
    assert public_lists(marts, alone + [(3, track, 3) for track in range(50)]) == {None: {}, TRENDING: {}}


def test_what_is_trending_grows_as_the_candidate_source_of_that_name_says(marts: str) -> None:
    config = TrendingConfig()
    assert (config.week_days, config.month_days, config.smoothing) == (TRENDING_DAYS, 30, SMOOTHING)
    rows = world(7, users=200) + [(500 + number, 77, 2) for number in range(20)]
    found = public_lists(marts, rows)[TRENDING]
    week, month = listeners(rows, days=TRENDING_DAYS), listeners(rows, days=30)
    expected = {
        track: (count + SMOOTHING) / (month[track] * TRENDING_DAYS / 30 + SMOOTHING)
        for track, count in week.items()
        if count >= LEAST_LISTENERS
    }
    assert len(expected) > 10
    assert found == pytest.approx(expected, rel=1e-6)
    assert next(iter(found)) == 77
    assert list(found.values()) == sorted(found.values(), reverse=True)
