"""Whoever does not get a lock of the warehouse gives up, and says who has it."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from loading import ADVISORY_LOCKS, load, query, state_of, tabular, write_csv

from assets.ingest import merge_sql
from assets.ingest.undo import undo_load
from warehouse import migrate
from warehouse.engine import MODELS_LOCK, create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.locks import Lock, acquire
from warehouse.roles import Role

BRIEFLY = replace(MODELS_LOCK, wait_seconds=1)
HELD_BY = "select count(*) from pg_locks where locktype = 'advisory' and granted and pid = {0}"


@pytest.fixture
def holder(warehouse_url: str) -> Iterator[psycopg2.extensions.connection]:
    """A session that holds what the test takes."""
    with closing(psycopg2.connect(warehouse_url)) as connection:
        yield connection


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads and migrations wait for a second."""
    monkeypatch.setattr(merge_sql, "LOCK", replace(merge_sql.LOCK, wait_seconds=1))
    monkeypatch.setattr(migrate, "_LOCK", replace(migrate._LOCK, wait_seconds=1))


def hold(holder: psycopg2.extensions.connection, lock: Lock) -> None:
    with holder.cursor() as cursor:
        cursor.execute(f"select pg_advisory_lock({lock.key})")
    holder.commit()


def build(url: str, lock: Lock = BRIEFLY) -> None:
    with exclusive(url, lock, Role.TRANSFORMER):
        pass


def undo(url: str) -> None:
    with create_engine(url, Role.LOADER).begin() as connection:
        undo_load(connection, 1)


@pytest.mark.parametrize(
    ("lock", "work", "attempt"),
    [
        (merge_sql.LOCK, "loading", undo),
        (MODELS_LOCK, "building models", build),
        (migrate._LOCK, "migrating", migrate.upgrade),
    ],
    ids=["undo", "build", "migrate"],
)
@pytest.mark.usefixtures("impatient")
def test_who_does_not_get_a_lock_in_time_names_the_session_that_has_it(
    warehouse_url: str, holder: psycopg2.extensions.connection, lock: Lock, work: str, attempt: Callable[[str], None]
) -> None:
    hold(holder, lock)
    pid, user = holder.info.backend_pid, holder.info.user
    with pytest.raises(AudoticsError) as raised:
        attempt(warehouse_url)
    assert f"holds the lock of {work}: pid {pid} of user {user}; try again" in str(raised.value)
    assert f"`select pg_terminate_backend({pid})`" in str(raised.value)


@pytest.mark.usefixtures("impatient")
def test_a_load_that_gives_up_loads_nothing_and_works_once_the_lock_is_free(
    warehouse_url: str, holder: psycopg2.extensions.connection, tmp_path: Path
) -> None:
    path = write_csv(tmp_path, "ada,1400000000,x")
    before = state_of(warehouse_url)
    hold(holder, merge_sql.LOCK)
    with pytest.raises(AudoticsError, match=f"lock of loading: pid {holder.info.backend_pid} of user"):
        load(warehouse_url, tabular(), path)
    assert state_of(warehouse_url) == before
    holder.close()
    assert load(warehouse_url, tabular(), path).rows_loaded == 1


def test_the_time_limit_ends_with_the_wait_and_the_lock_with_the_transaction(
    warehouse_url: str, holder: psycopg2.extensions.connection
) -> None:
    with holder.cursor() as cursor:
        acquire(cursor, BRIEFLY)
        cursor.execute("show lock_timeout")
        assert cursor.fetchall() == [("0",)]
        assert query(warehouse_url, HELD_BY.format(holder.info.backend_pid)) == [(1,)]
        holder.commit()
        assert query(warehouse_url, HELD_BY.format(holder.info.backend_pid)) == [(0,)]


def test_a_lock_of_a_session_ends_with_the_block_or_the_session_and_who_waits_keeps_no_snapshot(
    warehouse_url: str, holder: psycopg2.extensions.connection
) -> None:
    hold(holder, MODELS_LOCK)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(build, warehouse_url, MODELS_LOCK)
        others = f"datname = current_database() and pid not in ({holder.info.backend_pid}, pg_backend_pid())"
        tries = f"select count(*) from pg_stat_activity where {others} and query like '%pg_try_advisory_lock%'"
        while query(warehouse_url, tries) != [(1,)]:
            time.sleep(0.02)
        # Between two tries the session is idle, outside of a transaction.
        while query(warehouse_url, f"{tries} and state = 'idle' and backend_xmin is null") != [(1,)]:
            time.sleep(0.02)
        holder.close()
        waiting.result()
    assert query(warehouse_url, f"select count(*) from {ADVISORY_LOCKS}") == [(0,)]


def test_a_lock_that_was_lost_meanwhile_is_noticed(warehouse_url: str) -> None:
    with exclusive(warehouse_url, MODELS_LOCK, Role.TRANSFORMER) as lock:
        lock.require()
        query(warehouse_url, f"select pg_terminate_backend(pid) from {ADVISORY_LOCKS}")
        with pytest.raises(AudoticsError, match=r"lock of building models was lost .* run this again"):
            lock.require()
        build(warehouse_url, BRIEFLY)
    with exclusive(warehouse_url, MODELS_LOCK, Role.TRANSFORMER) as lock:
        lock._cursor.execute(f"select pg_advisory_unlock({MODELS_LOCK.key})")
        with pytest.raises(AudoticsError, match=r"was lost .its session no longer has it."):
            lock.require()


def test_an_error_other_than_a_wait_stays_what_it_is(warehouse_url: str) -> None:
    with (
        closing(psycopg2.connect(warehouse_url)) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.UndefinedFunction),
    ):
        acquire(cursor, Lock("no_such_key()", ""))
