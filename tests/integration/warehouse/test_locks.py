"""Whoever does not get a lock of the warehouse gives up, and says who has it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg2
import pytest
from loading import load, query, state_of, tabular, write_csv

from assets.ingest import merge_sql
from assets.ingest.undo import undo_load
from assets.recommendations.store import replace_recommendations
from warehouse import migrate
from warehouse.engine import MODELS_LOCK, adbc_connect, create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.locks import Lock, acquire
from warehouse.roles import Role

BRIEFLY = replace(MODELS_LOCK, wait_seconds=1)


@pytest.fixture
def holder(warehouse_url: str) -> Iterator[psycopg2.extensions.connection]:
    """A session that holds what the test takes."""
    with closing(psycopg2.connect(warehouse_url)) as connection:
        yield connection


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads and migrations wait for a second."""
    monkeypatch.setattr(merge_sql, "LOCK", replace(merge_sql.LOCK, wait_seconds=1))
    monkeypatch.setattr(migrate, "_UPGRADE_LOCK", replace(migrate._UPGRADE_LOCK, wait_seconds=1))


def hold(holder: psycopg2.extensions.connection, lock: Lock) -> None:
    with holder.cursor() as cursor:
        cursor.execute(lock.statement(session=True))
    holder.commit()


def build(url: str) -> None:
    with exclusive(url, BRIEFLY, Role.TRANSFORMER):
        pass


def undo(url: str) -> None:
    with create_engine(url, Role.LOADER).begin() as connection:
        undo_load(connection, 1)


@pytest.mark.parametrize(
    ("lock", "work", "attempt"),
    [
        (merge_sql.LOCK, "loading", undo),
        (MODELS_LOCK, "building models", build),
        (migrate._UPGRADE_LOCK, "migrating", migrate.upgrade),
    ],
    ids=["undo", "build", "migrate"],
)
@pytest.mark.usefixtures("impatient")
def test_who_waits_in_vain_names_the_session_that_has_the_lock(
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


def test_lists_are_not_exchanged_while_another_session_has_the_lock(
    warehouse_url: str, holder: psycopg2.extensions.connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "assets.recommendations.store.Lock", lambda key, work, **_: Lock(key, work, BRIEFLY.wait_seconds)
    )
    hold(holder, Lock("hashtext('ml.recommendations')", ""))
    with adbc_connect(warehouse_url, Role.SERVICE) as connection:
        with pytest.raises(AudoticsError, match=rf"exchanging lists .* pid {holder.info.backend_pid} of user"):
            replace_recommendations(connection, date(2026, 6, 1), [])
        holder.close()
        replace_recommendations(connection, date(2026, 6, 1), [])
    partition = "select 1 from pg_inherits where inhrelid = 'ml.recommendations_20260601'::regclass"
    assert query(warehouse_url, partition) == [(1,)]


@pytest.mark.parametrize("session", [False, True])
def test_the_time_limit_ends_with_the_wait(warehouse_url: str, session: bool) -> None:
    with closing(psycopg2.connect(warehouse_url)) as connection, connection.cursor() as cursor:
        acquire(cursor, BRIEFLY, session=session)
        cursor.execute("show lock_timeout")
        assert cursor.fetchall() == [("0",)]
        held = "select count(*) from pg_locks where locktype = 'advisory' and granted and pid = {0}"
        connection.commit()
        assert query(warehouse_url, held.format(connection.info.backend_pid)) == [(int(session),)]


def test_an_error_that_is_no_wait_stays_what_it_is(warehouse_url: str) -> None:
    with (
        closing(psycopg2.connect(warehouse_url)) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.UndefinedFunction),
    ):
        acquire(cursor, Lock("no_such_key()", ""))
