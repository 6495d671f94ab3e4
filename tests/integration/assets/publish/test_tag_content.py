"""The tags of a release are those of enough tracks that enough people heard, those that are heard most first."""

from collections import defaultdict
from datetime import date

import numpy as np
import psycopg2
import pytest
from psycopg2.extras import execute_values

from assets.public import LEAST_LISTENERS
from assets.publish import tag_content
from assets.publish.popular_content import LEAST_TRACKS
from assets.publish.tag_content import TAG_TRACKS, tag_tracks
from serving_api.contract import LONGEST_TAG
from warehouse.engine import adbc_connect

AS_OF = date(2026, 6, 1)
# What the query reads of the marts, with their meaning.
MARTS = """
    create schema if not exists core;
    create schema if not exists features;
    create table core.dim_track_tags (track_key integer, tag text, weight double precision, position integer);
    create table features.feat_track (as_of date, track_key integer, listeners bigint, listeners_30d bigint);
"""

Heard = dict[int, tuple[int, int]]
"""By track: its listeners ever, and those of the last 30 days."""
Listed = list[tuple[str, list[tuple[int, float]]]]


@pytest.fixture
def marts(warehouse_url: str) -> str:
    with psycopg2.connect(warehouse_url) as connection, connection.cursor() as cursor:
        cursor.execute(MARTS)
    return warehouse_url


def fill(url: str, heard: Heard, tags: list[tuple[int, str]]) -> None:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("truncate core.dim_track_tags, features.feat_track")
        execute_values(cursor, "insert into features.feat_track values %s", [(AS_OF, t, *n) for t, n in heard.items()])
        # Another date, as of which everybody had heard everything.
        others = [(date(2026, 6, 2), track, 900, 900) for track in heard]
        execute_values(cursor, "insert into features.feat_track values %s", others)
        execute_values(cursor, "insert into core.dim_track_tags values %s", [(t, tag, 1.0, 1) for t, tag in tags])


def read(url: str, least_tracks: int = LEAST_TRACKS) -> Listed:
    with adbc_connect(url) as connection:
        listed = []
        for batch in tag_tracks(connection, AS_OF, least_tracks):
            batch.packed()
            for tag, start, end in zip(batch.tags, batch.offsets, batch.offsets[1:], strict=False):
                keys, scores = batch.track_keys[start:end].tolist(), batch.scores[start:end].tolist()
                listed.append((tag, list(zip(keys, scores, strict=True))))
        return listed


def slow(heard: Heard, tags: list[tuple[int, str]], least_tracks: int, most_tags: int) -> Listed:
    having = defaultdict(list)
    for track, tag in tags:
        ever, recent = heard[track]
        if ever >= LEAST_LISTENERS:
            having[tag].append((-(recent if recent >= LEAST_LISTENERS else 0), -ever, track))
    lists = {
        tag: [(track, float(-recent)) for recent, _, track in sorted(tracks)[:TAG_TRACKS]]
        for tag, tracks in having.items()
        if len(tracks) >= least_tracks
    }

    def place(tag: str) -> tuple[float, int, str]:
        return -sum(score for _, score in lists[tag]), -len(lists[tag]), tag

    return [(tag, lists[tag]) for tag in sorted(lists, key=place)][:most_tags]


def test_the_lists_of_drawn_tags_equal_a_slow_reference(marts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_content, "MOST_TAGS", 12)
    monkeypatch.setattr(tag_content, "_TAGS_PER_BATCH", 5)
    for seed in range(4):
        draw = np.random.default_rng(seed)
        ever = draw.zipf(1.4, 400).clip(1, 90)
        heard = {key: (int(ever[key]), int(draw.integers(0, ever[key] + 1))) for key in range(400)}
        # The first tag has more tracks than a list, the last ones too few.
        names = ["rock", "Éire", "dream pop", *(f"tag {number}" for number in range(20))]
        tags = [
            (key, tag) for place, tag in enumerate(names) for key in range(400) if draw.random() < 0.9 / (1 + place / 2)
        ]
        fill(marts, heard, tags)
        found = read(marts, 10)
        assert found == slow(heard, tags, 10, 12)
        assert len(found) == 12 and len(found[0][1]) == TAG_TRACKS


def test_a_tag_of_a_page_of_tracks_is_there_and_one_of_fewer_is_not(marts: str) -> None:
    heard = dict.fromkeys(range(LEAST_TRACKS), (LEAST_LISTENERS, 0)) | {900: (LEAST_LISTENERS - 1, 2)}
    tags = [(key, "enough") for key in range(LEAST_TRACKS)] + [(key, "few") for key in range(1, LEAST_TRACKS)]
    tags += [(key, "ä" * length) for key in range(LEAST_TRACKS) for length in (LONGEST_TAG, LONGEST_TAG + 1)]
    fill(marts, heard, [*tags, (900, "few"), (900, "enough")])
    listed = [(key, 0.0) for key in range(LEAST_TRACKS)]
    assert read(marts) == [("enough", listed), ("ä" * LONGEST_TAG, listed)]
    fill(marts, {}, [])
    assert read(marts) == []
