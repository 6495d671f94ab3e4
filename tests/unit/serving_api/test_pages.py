"""Pages of a list put together are the list, each item once, whatever is blocked between them."""

import random

import pytest

from serving_api.pages import Cursor, Item, Page, Window, page

RELEASE = "2026-11-22-3f9a1c07"


def read(listed: list[int], hidden: set[int], window: Window) -> Page:
    kept = [place for place, each in enumerate(listed) if each not in hidden]
    return page(kept, window, lambda places: [Item(str(listed[place]), b"") for place in places])


def ids(found: Page) -> list[int]:
    return [int(item.public_id) for item in found.items]


@pytest.mark.parametrize("seed", range(200))
def test_pages_by_cursor_show_each_item_once_while_items_are_blocked_and_unblocked(seed: int) -> None:
    draw = random.Random(seed)
    listed = draw.sample(range(1000), draw.randint(0, 60))
    blocked = set(draw.sample(listed, draw.randint(0, len(listed))))
    always = set(listed)
    shown: list[int] = []
    ranks: list[int] = []
    cursor: Cursor | None = None
    while True:
        always -= blocked
        found = read(listed, blocked, Window(draw.randint(1, 9), after=cursor))
        shown += ids(found)
        ranks += range(found.first_rank, found.first_rank + len(found.items))
        cursor = found.cursor(RELEASE, own=True)
        if cursor is None:
            break
        assert Cursor.parse(str(cursor)) == cursor
        blocked ^= set(draw.sample(listed, draw.randint(0, min(5, len(listed)))))
    assert len(shown) == len(set(shown)), "an item came twice"
    assert always <= set(shown), "an item that was never blocked was skipped"
    assert shown == [each for each in listed if each in set(shown)]
    assert ranks == list(range(1, len(shown) + 1))


def test_pages_by_offset_are_those_of_what_is_left() -> None:
    listed = list(range(10))
    first = read(listed, {1, 3}, Window(3))
    assert (ids(first), first.first_rank, first.next_offset) == ([0, 2, 4], 1, 3)
    last = read(listed, {1, 3}, Window(5, offset=3))
    assert (ids(last), last.first_rank, last.next_offset, last.cursor(RELEASE, own=True)) == (
        [5, 6, 7, 8, 9],
        4,
        None,
        None,
    )
    assert ids(read(listed, set(), Window(5, offset=90))) == []


@pytest.mark.parametrize(
    "text",
    ["", "x", f"{RELEASE}.o.1", f"{RELEASE}.o.1.1.1", f"{RELEASE}.x.1.1", f"{RELEASE}.o.-1.1", f"{RELEASE}.o.123456.1"],
)
def test_another_text_than_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        Cursor.parse(text)
