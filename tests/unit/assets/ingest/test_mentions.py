"""Mentions: what is staged once, and how listens refer to it."""

from datetime import datetime

import pyarrow as pa

from assets.ingest.mentions import MentionCounter


def _listens(*rows: tuple[int, str, str, str | None]) -> pa.Table:
    """Return parsed listens from (line, user, track key, artist key)."""
    moment = datetime(2020, 1, 1)
    return pa.table(
        {
            "line": pa.array([row[0] for row in rows], pa.int64()),
            "user_id": [row[1] for row in rows],
            "track_natural_key": [row[2] for row in rows],
            "artist_natural_key": pa.array([row[3] for row in rows], pa.string()),
            "listened_at": pa.array([moment] * len(rows), pa.timestamp("us")),
            "title": [f"title at line {row[0]}" for row in rows],
            "artist_name": [f"artist at line {row[0]}" for row in rows],
            **{
                name: pa.nulls(len(rows), pa.string())
                for name in ("track_source_id", "recording_mbid", "artist_source_id", "artist_mbid", "isrc")
            },
            "duration_ms": pa.nulls(len(rows), pa.int32()),
            "ms_played": pa.nulls(len(rows), pa.int32()),
            "skipped": pa.nulls(len(rows), pa.bool_()),
        }
    )


def test_each_distinct_thing_is_staged_once_with_what_its_first_line_says() -> None:
    split = MentionCounter().split(
        _listens((3, "ada", "t1", "a1"), (4, "bob", "t2", None), (5, "ada", "t1", "a2"), (6, "ada", "t3", "a1"))
    )
    assert split.users.to_pylist() == [
        {"mention": 0, "line": 3, "user_id": "ada"},
        {"mention": 1, "line": 4, "user_id": "bob"},
    ]
    tracks = [
        (row["mention"], row["line"], row["natural_key"], row["title"], row["artist_mention"])
        for row in split.tracks.to_pylist()
    ]
    assert tracks == [
        (0, 3, "t1", "title at line 3", 0),
        (1, 4, "t2", "title at line 4", None),
        (2, 6, "t3", "title at line 6", 0),
    ]
    assert [(row["mention"], row["line"], row["name"]) for row in split.artists.to_pylist()] == [
        (0, 3, "artist at line 3"),
        (1, 5, "artist at line 5"),
    ]
    listens = [(row["line"], row["user_mention"], row["track_mention"]) for row in split.listens.to_pylist()]
    assert listens == [(3, 0, 0), (4, 1, 1), (5, 0, 0), (6, 0, 2)]


def test_what_an_earlier_batch_has_mentioned_is_not_staged_again() -> None:
    counter = MentionCounter()
    counter.split(_listens((1, "ada", "t1", "a1"), (2, "bob", "t2", None)))
    split = counter.split(_listens((3, "bob", "t3", "a1"), (4, "cid", "t1", "a2"), (5, "cid", "t3", None)))
    assert split.users.to_pylist() == [{"mention": 2, "line": 4, "user_id": "cid"}]
    assert [(row["mention"], row["line"], row["name"]) for row in split.artists.to_pylist()] == [
        (1, 4, "artist at line 4")
    ]
    tracks = [(row["mention"], row["line"], row["artist_mention"]) for row in split.tracks.to_pylist()]
    assert tracks == [(2, 3, 0)]
    listens = [(row["user_mention"], row["track_mention"]) for row in split.listens.to_pylist()]
    assert listens == [(1, 2), (2, 0), (2, 2)]


def test_what_is_forgotten_is_mentioned_again_under_a_number_of_its_own() -> None:
    counter = MentionCounter(remembered=1)
    counter.split(_listens((1, "ada", "t1", "a1"), (2, "bob", "t2", "a1")))
    split = counter.split(_listens((3, "ada", "t2", "a1"), (4, "cid", "t2", "a2")))
    assert split.users.to_pylist() == [
        {"mention": 2, "line": 3, "user_id": "ada"},
        {"mention": 3, "line": 4, "user_id": "cid"},
    ]
    assert [(row["mention"], row["artist_mention"]) for row in split.tracks.to_pylist()] == [(2, 0)]
    assert [row["mention"] for row in split.artists.to_pylist()] == [1]
