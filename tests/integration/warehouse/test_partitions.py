"""A partition is replaced while its table is read: only the exchange waits for the reader, and that not for ever."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date

import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from loading import ADVISORY_LOCKS, query
from ranked_lists import MADE_FROM, lists

from assets.recommendations import store as recommendations
from assets.recommendations.store import replace_recommendations
from assets.similar import store
from assets.similar.sources import Item
from assets.similar.store import replace_similar
from warehouse import partitions
from warehouse.engine import adbc_connect
from warehouse.errors import AudoticsError
from warehouse.roles import Role

MONDAY, TUESDAY = date(2026, 6, 1), date(2026, 6, 2)
Writer = Callable[[dbapi.Connection, date, str], int]


def write_recommendations(connection: dbapi.Connection, as_of: date, version: str) -> int:
    return replace_recommendations(connection, as_of, iter([lists(as_of, version)]), MADE_FROM)


def write_similar(connection: dbapi.Connection, as_of: date, version: str) -> int:
    scores = np.array([[{"old": 0.25, "new": 0.5}[version]]], np.float32)
    rows = store.as_rows(Item.TRACK, as_of, np.array([1]), np.array([[2]]), scores)
    return replace_similar(connection, Item.TRACK, as_of, iter([rows]))


WRITERS = {"recommendations": write_recommendations, "similar_tracks": write_similar}


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange waits for tenths of seconds, and pauses for as long."""
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT_MS", 200)
    monkeypatch.setattr(partitions, "_PAUSE_SECONDS", 0.2)


@pytest.fixture
def reader(warehouse_url: str) -> Iterator[psycopg2.extensions.connection]:
    """A session that is about to read for long, and not in a hurry to end its transaction."""
    with closing(psycopg2.connect(warehouse_url)) as connection:
        yield connection


def read(connection: psycopg2.extensions.connection, table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from ml.{table}")
        ((rows,),) = cursor.fetchall()
        return int(rows)


def write(url: str, writer: Writer, as_of: date, version: str) -> int:
    with adbc_connect(url, Role.SERVICE) as connection:
        return writer(connection, as_of, version)


@pytest.mark.parametrize("table", WRITERS)
def test_a_long_read_holds_up_the_exchange_and_no_other_reader(
    warehouse_url: str, reader: psycopg2.extensions.connection, table: str
) -> None:
    write(warehouse_url, WRITERS[table], MONDAY, "old")
    before = query(warehouse_url, f"select lists::text from ml.{table} as lists")
    rows = read(reader, table)
    waiting = (
        "select pid from pg_locks inner join pg_stat_activity using (pid)"
        " where not granted and query like 'drop table%' and datname = current_database()"
    )
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write, warehouse_url, WRITERS[table], MONDAY, "new")
        try:
            for _ in range(3):
                while not query(warehouse_url, waiting):
                    assert not writing.done(), writing.exception()
                    time.sleep(0.02)
                with closing(psycopg2.connect(warehouse_url)) as other, other.cursor() as cursor:
                    # An exchange that waited without end would hold this reader up for as long.
                    cursor.execute("set lock_timeout = '20s'")
                    assert read(other, table) == rows
            assert query(warehouse_url, f"select lists::text from ml.{table} as lists") == before
        finally:
            reader.rollback()
        assert writing.result() == rows
    after = query(warehouse_url, f"select lists::text from ml.{table} as lists")
    assert (len(after), set(after) & set(before)) == (rows, set())


def test_an_exchange_that_gives_up_names_the_reader_and_leaves_what_was_there(
    warehouse_url: str, reader: psycopg2.extensions.connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(warehouse_url, write_recommendations, MONDAY, "old")
    read(reader, "recommendations")
    brief = replace(recommendations.RECOMMENDATIONS, wait_seconds=1)
    monkeypatch.setattr(recommendations, "RECOMMENDATIONS", brief)
    pid, user = reader.info.backend_pid, reader.info.user
    with pytest.raises(AudoticsError, match=f"keeps its old rows: it is read by pid {pid} of user {user}; try again"):
        write(warehouse_url, write_recommendations, MONDAY, "new")
    assert query(warehouse_url, "select distinct model_version from ml.recommendations") == [("old",)]
    batches = "select model_version, rows from ml.recommendation_batches"
    assert query(warehouse_url, batches) == [("old", 6)]
    tables = "select tablename from pg_tables where schemaname = 'ml' and tablename like 'recommendations%'"
    assert sorted(query(warehouse_url, tables)) == [("recommendations",), ("recommendations_20260601",)]
    assert query(warehouse_url, f"select count(*) from {ADVISORY_LOCKS}") == [(0,)]
    # Of a date that nobody has lists of, there is nothing to take away from a reader.
    assert write(warehouse_url, write_recommendations, TUESDAY, "new") == 6
    reader.rollback()
    assert write(warehouse_url, write_recommendations, MONDAY, "new") == 6
    assert query(warehouse_url, batches) == [("new", 6), ("new", 6)]


def test_an_old_partition_that_is_read_goes_with_a_later_load(
    warehouse_url: str, reader: psycopg2.extensions.connection
) -> None:
    write(warehouse_url, write_similar, MONDAY, "old")
    query(warehouse_url, "update ml.similar_batches set made_at = made_at - interval '4 days' returning 1")
    read(reader, "similar_tracks_20260601")
    days = "select as_of from ml.similar_batches order by as_of"
    assert write(warehouse_url, write_similar, TUESDAY, "new") == 1
    assert query(warehouse_url, days) == [(MONDAY,), (TUESDAY,)]
    reader.rollback()
    assert write(warehouse_url, write_similar, TUESDAY, "new") == 1
    assert query(warehouse_url, days) == [(TUESDAY,)]
    assert query(warehouse_url, "select to_regclass('ml.similar_tracks_20260601')") == [(None,)]


@pytest.mark.parametrize("table", WRITERS)
def test_a_new_partition_has_statistics_and_while_its_rows_are_made_no_transaction_is_open(
    warehouse_url: str, table: str
) -> None:
    seen = []

    def rows_of(rows: pa.Table) -> Iterator[pa.Table]:
        for _ in range(2):
            seen.extend(query(warehouse_url, IN_TRANSACTION))
            yield rows
            rows = rows[:0]

    with adbc_connect(warehouse_url, Role.SERVICE) as connection:
        if table == "recommendations":
            replace_recommendations(connection, MONDAY, rows_of(lists(MONDAY, "new")), MADE_FROM)
        else:
            rows = store.as_rows(Item.TRACK, MONDAY, np.array([1]), np.array([[2]]), np.array([[0.5]], np.float32))
            replace_similar(connection, Item.TRACK, MONDAY, rows_of(rows))
    assert seen == []
    known = f"select reltuples > 0 from pg_class where relname = '{table}_20260601'"
    assert query(warehouse_url, known) == [(True,)]


IN_TRANSACTION = """
select state, query from pg_stat_activity
where
    datname = current_database() and pid <> pg_backend_pid()
    and xact_start is not null and backend_type = 'client backend'
"""
