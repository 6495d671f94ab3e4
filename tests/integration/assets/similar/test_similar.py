"""Similar items of a date are replaced as a whole, and kept only as long as they are of use."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from adbc_driver_manager import Error
from loading import query

from assets.similar.sources import Item
from assets.similar.store import as_rows, replace_similar
from warehouse.engine import adbc_connect
from warehouse.roles import Role

MONDAY, TUESDAY, WEDNESDAY = date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 3)


def lists(item: Item, as_of: date, score: float) -> pa.Table:
    """Track or artist 1 is like 2 and 3, 2 is like 1."""
    found = np.array([[2, 3], [1, -1]])
    return as_rows(item, as_of, np.array([1, 2]), found, np.full(found.shape, score, np.float32))


def replace(url: str, item: Item, as_of: date, tables: Iterator[pa.Table]) -> int:
    with adbc_connect(url, Role.SERVICE) as connection:
        return replace_similar(connection, item, as_of, tables)


def stored(url: str, item: Item) -> list[tuple[str, int, int, int, float]]:
    return query(
        url,
        f"select as_of::text, {item}_key, rank, similar_{item}_key, score from ml.similar_{item}s order by 1, 2, 3",
    )


def tables_of(url: str) -> list[str]:
    names = query(url, "select tablename from pg_tables where schemaname = 'ml' and tablename ~ '^similar_.*s_'")
    return sorted(name for (name,) in names)


@pytest.mark.parametrize("item", Item)
def test_a_replaced_date_holds_the_new_lists_only(warehouse_url: str, item: Item) -> None:
    for score in (0.25, 0.5, 0.5):
        tables = iter([lists(item, MONDAY, score), lists(item, MONDAY, score)[:0]])
        assert replace(warehouse_url, item, MONDAY, tables) == 3
        assert stored(warehouse_url, item) == [
            ("2026-06-01", 1, 1, 2, score),
            ("2026-06-01", 1, 2, 3, score),
            ("2026-06-01", 2, 1, 1, score),
        ]
    partition = f"similar_{item}s_20260601"
    assert tables_of(warehouse_url) == [partition]
    indexes = query(warehouse_url, f"select indexname from pg_indexes where tablename = '{partition}'")
    assert indexes == [(f"{partition}_pkey",)]
    batches = query(warehouse_url, "select as_of::text, item, items, rows from ml.similar_batches")
    assert batches == [("2026-06-01", str(item), 2, 3)]


def test_a_date_on_which_nothing_is_alike_is_known_to_have_been_searched(warehouse_url: str) -> None:
    assert replace(warehouse_url, Item.ARTIST, MONDAY, iter(())) == 0
    assert query(warehouse_url, "select item, items, rows from ml.similar_batches") == [("artist", 0, 0)]


def test_a_load_that_dies_leaves_the_old_lists_and_the_next_one_clears_up(warehouse_url: str) -> None:
    replace(warehouse_url, Item.TRACK, MONDAY, iter([lists(Item.TRACK, MONDAY, 0.25)]))
    before = stored(warehouse_url, Item.TRACK)

    def dying() -> Iterator[pa.Table]:
        yield lists(Item.TRACK, MONDAY, 0.5)
        others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        query(warehouse_url, f"{others} and pid <> pg_backend_pid()")
        yield lists(Item.TRACK, MONDAY, 0.5)

    with pytest.raises(Error):
        replace(warehouse_url, Item.TRACK, MONDAY, dying())
    assert stored(warehouse_url, Item.TRACK) == before
    assert replace(warehouse_url, Item.TRACK, MONDAY, iter([lists(Item.TRACK, MONDAY, 0.5)])) == 3
    assert {score for *_, score in stored(warehouse_url, Item.TRACK)} == {0.5}
    assert tables_of(warehouse_url) == ["similar_tracks_20260601"]


def test_what_fails_while_lists_are_made_is_what_is_raised_and_the_connection_stays_usable(warehouse_url: str) -> None:
    def failing() -> Iterator[pa.Table]:
        yield lists(Item.TRACK, MONDAY, 0.5)
        raise ValueError("no such source")

    with adbc_connect(warehouse_url, Role.SERVICE) as connection:
        with pytest.raises(ValueError, match="no such source"):
            replace_similar(connection, Item.TRACK, MONDAY, failing())
        assert tables_of(warehouse_url) == []
        assert replace_similar(connection, Item.TRACK, MONDAY, iter([lists(Item.TRACK, MONDAY, 0.5)])) == 3


def test_nothing_can_be_in_its_own_list(warehouse_url: str) -> None:
    itself = as_rows(Item.TRACK, MONDAY, np.array([1]), np.array([[1]]), np.array([[0.5]], np.float32))
    with pytest.raises(Error, match="similar_tracks_not_itself"):
        replace(warehouse_url, Item.TRACK, MONDAY, iter([itself]))


def test_old_lists_go_unless_a_release_is_made_of_them_or_there_are_no_newer_ones(warehouse_url: str) -> None:
    days = [date(2026, 5, 4), date(2026, 5, 5), MONDAY, TUESDAY, WEDNESDAY]
    for day in days[:-1]:
        for item in Item:
            replace(warehouse_url, item, day, iter([lists(item, day, 0.5)]))
    age = "update ml.similar_batches set made_at = made_at - interval '4 days' where as_of {0} returning 1"
    query(warehouse_url, age.format("<> '2026-06-01'"))
    query(
        warehouse_url,
        "insert into ml.releases (release, as_of, models, counts, published_at, status) values"
        " ('a', '2026-05-04', '{}', '{}', now(), 'retired'), ('b', '2026-05-05', '{}', '{}', now(), 'previous')"
        " returning 1",
    )
    replace(warehouse_url, Item.TRACK, WEDNESDAY, iter([lists(Item.TRACK, WEDNESDAY, 0.5)]))
    # Monday's were made lately; of Tuesday's there are newer ones.
    assert sorted({row[0] for row in stored(warehouse_url, Item.TRACK)}) == ["2026-05-05", "2026-06-01", "2026-06-03"]
    # No artist lists were written since then, so none of them has expired.
    assert len({row[0] for row in stored(warehouse_url, Item.ARTIST)}) == 4
    query(warehouse_url, age.format("= '2026-06-01'"))
    replace(warehouse_url, Item.ARTIST, date(2026, 5, 4), iter([lists(Item.ARTIST, date(2026, 5, 4), 0.5)]))
    assert sorted({row[0] for row in stored(warehouse_url, Item.ARTIST)}) == ["2026-05-04", "2026-05-05", "2026-06-02"]
