"""Lists of a date are replaced as a whole, whatever happens beside it."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pyarrow as pa
import pytest
from adbc_driver_manager import Error
from loading import ADVISORY_LOCKS, THIS_DATABASE, query
from ranked_lists import EXPLANATION, MADE_FROM, lists, replace

from assets.recommendations.store import replace_recommendations
from warehouse.engine import adbc_connect

MONDAY, TUESDAY, WEDNESDAY = date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 3)
WAIT_SECONDS = 60.0


def stored(url: str) -> list[tuple[str, str, int]]:
    return query(
        url,
        "select as_of::text, model_version, count(*) from ml.recommendations group by as_of, model_version order by 1",
    )


def tables_of(url: str) -> list[str]:
    names = query(url, "select tablename from pg_tables where schemaname = 'ml' and tablename like 'recommendations_%'")
    return sorted(name for (name,) in names)


def test_a_replaced_date_holds_the_new_lists_only_and_its_indexes_keep_their_names(warehouse_url: str) -> None:
    for version in ("a", "b", "b"):
        assert replace(warehouse_url, MONDAY, iter([lists(MONDAY, version), lists(MONDAY, version)[:0]])) == 6
        assert stored(warehouse_url) == [("2026-06-01", version, 6)]
    assert tables_of(warehouse_url) == ["recommendations_20260601"]
    assert query(warehouse_url, "select indexname from pg_indexes where tablename = 'recommendations_20260601'") == [
        ("recommendations_20260601_pkey",)
    ]
    assert query(warehouse_url, f"select count(*) from {ADVISORY_LOCKS}") == [(0,)]


def test_seeds_and_contributions_are_stored_as_numbers_and_json_and_what_has_none_as_null(warehouse_url: str) -> None:
    replace(warehouse_url, MONDAY, iter([lists(MONDAY, "a")]))
    reasons = "select rank, anchor_track_key, contributions from ml.recommendations where user_key = 1 order by rank"
    assert query(warehouse_url, reasons) == [(1, 7, json.loads(EXPLANATION)), (2, None, None)]
    kinds = "select distinct jsonb_typeof(contributions), contributions -> 0 ->> 'contribution' from ml.recommendations"
    assert set(query(warehouse_url, kinds)) == {("array", "0.41"), (None, None)}


def test_two_dates_are_replaced_at_once(warehouse_url: str) -> None:
    for day in (MONDAY, TUESDAY):
        replace(warehouse_url, day, iter([lists(day, "old")]))
    both_at_work = threading.Barrier(2, timeout=WAIT_SECONDS)

    def scored(day: date) -> Iterator[pa.Table]:
        both_at_work.wait()
        yield lists(day, "new")
        both_at_work.wait()

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(replace, warehouse_url, day, scored(day)) for day in (MONDAY, TUESDAY)]
        assert [run.result(WAIT_SECONDS) for run in runs] == [6, 6]
    assert stored(warehouse_url) == [("2026-06-01", "new", 6), ("2026-06-02", "new", 6)]


def test_while_a_date_is_scored_others_are_replaced_and_all_are_read(warehouse_url: str) -> None:
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        replace(warehouse_url, day, iter([lists(day, "old")]))
    scoring, replaced = threading.Event(), threading.Event()

    def slowly() -> Iterator[pa.Table]:
        yield lists(MONDAY, "new")
        scoring.set()
        assert replaced.wait(WAIT_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(replace, warehouse_url, MONDAY, slowly())
        try:
            assert scoring.wait(WAIT_SECONDS)
            assert replace(warehouse_url, TUESDAY, iter([lists(TUESDAY, "new")])) == 6
            held = (
                "select count(*) from pg_locks where relation = 'ml.recommendations'::regclass and granted"
                f" and database = {THIS_DATABASE}"
            )
            assert query(warehouse_url, held) == [(0,)]
            assert [row[1] for row in stored(warehouse_url)] == ["old", "new", "old"]
        finally:
            replaced.set()
        run.result(WAIT_SECONDS)
    assert [row[1] for row in stored(warehouse_url)] == ["new", "new", "old"]


def test_a_load_that_dies_leaves_the_old_lists_and_the_next_one_clears_up(warehouse_url: str) -> None:
    replace(warehouse_url, MONDAY, iter([lists(MONDAY, "old")]))

    def dying() -> Iterator[pa.Table]:
        yield lists(MONDAY, "half")
        others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        query(warehouse_url, f"{others} and pid <> pg_backend_pid()")
        yield lists(MONDAY, "half")

    with pytest.raises(Error):
        replace(warehouse_url, MONDAY, dying())
    assert stored(warehouse_url) == [("2026-06-01", "old", 6)]
    assert "recommendations_20260601_loading" in tables_of(warehouse_url)
    replace(warehouse_url, MONDAY, iter([lists(MONDAY, "new")]))
    assert stored(warehouse_url) == [("2026-06-01", "new", 6)]
    assert tables_of(warehouse_url) == ["recommendations_20260601"]


def test_a_scoring_error_is_the_one_that_is_raised_and_the_connection_stays_usable(warehouse_url: str) -> None:
    def failing() -> Iterator[pa.Table]:
        yield lists(MONDAY, "half")
        raise ValueError("no such feature")

    with adbc_connect(warehouse_url) as connection:
        with pytest.raises(ValueError, match="no such feature"):
            replace_recommendations(connection, MONDAY, failing(), MADE_FROM)
        assert replace_recommendations(connection, MONDAY, iter([lists(MONDAY, "new")]), MADE_FROM) == 6
    assert stored(warehouse_url) == [("2026-06-01", "new", 6)]


def test_two_loads_of_one_date_follow_each_other(warehouse_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(replace, warehouse_url, MONDAY, iter([lists(MONDAY, each)])) for each in ("a", "b")]
        assert [run.result(WAIT_SECONDS) for run in runs] == [6, 6]
    assert stored(warehouse_url) in ([("2026-06-01", "a", 6)], [("2026-06-01", "b", 6)])
