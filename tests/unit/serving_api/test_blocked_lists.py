"""What is left of a list when blocked items and reasons go, and how its pages close up."""

from typing import Any

import numpy as np
import orjson

from serving_api.answers import PopularItem, PopularList
from serving_api.contract import NO_ANCHOR, Blocks, RankedList, Track
from serving_api.pages import Item, Window
from serving_api.ranked import at, blocked_keys, kept_places, named_keys, shown_tracks
from serving_api.records import known

# Tracks 10 to 15; the even ones are by artist 0, the odd ones by nobody known.
TRACKS = {key: known(Track(key, f"t-{key}", None, None, None if key % 2 else "a-0", None)) for key in range(10, 16)}
RANKED = RankedList(
    np.array([15, 10, 11, 13, 12], np.int32),
    np.array([0.5, 0.4, 0.3, 0.2, 0.1], np.float32),
    np.array([NO_ANCHOR, 14, 13, NO_ANCHOR, 11], np.int32),
)


def blocks(tracks: tuple[str, ...] = (), artists: tuple[str, ...] = ()) -> Blocks:
    return Blocks(frozenset(tracks), frozenset(artists))


def left_of(blocked: Blocks) -> list[dict[str, Any]]:
    """What is shown of the list to whoever has blocked these."""
    keys = blocked_keys(RANKED, TRACKS, blocked)
    items = shown_tracks(at(RANKED, kept_places(RANKED, keys)), TRACKS, keys)
    return [orjson.loads(b"{%b}" % item.shown) for item in items]


def test_a_blocked_track_goes_with_the_reasons_that_name_it_and_the_rest_keeps_its_order() -> None:
    left = left_of(blocks(("t-13", "t-999")))
    assert [item["track_id"] for item in left] == ["t-15", "t-10", "t-11", "t-12"]
    assert [item["score"] for item in left] == [0.5, 0.4, 0.3, 0.1]
    assert [item["reason"] and item["reason"]["track_id"] for item in left] == [None, "t-14", None, "t-11"]


def test_a_blocked_artist_goes_with_every_track_and_those_of_nobody_stay() -> None:
    left = left_of(blocks(artists=("a-0",)))
    assert [item["track_id"] for item in left] == ["t-15", "t-11", "t-13"]
    assert [item["reason"] and item["reason"]["track_id"] for item in left] == [None, "t-13", None]
    assert left_of(blocks(("t-15", "t-11", "t-13"), ("a-0",))) == []


def test_what_a_list_names_are_its_items_and_its_anchors_once_each() -> None:
    assert named_keys(RANKED) == {10, 11, 12, 13, 14, 15}
    assert named_keys(at(RANKED, kept_places(RANKED, {10, 11, 99}))) == {11, 12, 13, 15}


def test_pages_of_a_popular_list_close_up_over_excluded_and_blocked_tracks() -> None:
    popular = PopularList(
        None, [PopularItem(each.record, Item(each.record.track_id, each.shown)) for each in TRACKS.values()]
    )
    exclude = frozenset({"t-15"})

    def page(offset: int, blocked: Blocks) -> tuple[list[tuple[int, str]], int | None]:
        found = popular.page(Window(limit=2, offset=offset, exclude=exclude), blocked)
        return [(item["rank"], item["track_id"]) for item in orjson.loads(found.json())], found.next_offset

    assert page(0, blocks()) == ([(1, "t-10"), (2, "t-11")], 2)
    assert page(0, blocks(("t-10", "t-15"))) == ([(1, "t-11"), (2, "t-12")], 2)
    assert page(2, blocks(("t-10", "t-15"))) == ([(3, "t-13"), (4, "t-14")], None)
    assert page(0, blocks(("t-11",), ("a-0",))) == ([(1, "t-13")], None)
