"""Advisory locks of the warehouse: who has one works alone, and who does not get it is told who has it.

PostgreSQL lets every user of a database take any advisory lock, analysts too: nobody waits for one without end.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
from adbc_driver_manager import Error as AdbcError

from warehouse.errors import AudoticsError

_NOT_AVAILABLE = "55P03"
_TRY_AGAIN_SECONDS = 0.25


@dataclass(frozen=True)
class Lock:
    """An advisory lock.

    Attributes:
        key: SQL of its key, an integer.
        work: what the holder does, for messages.
        wait_seconds: after how long to give up; longer than the work itself takes, or waiting for it would fail.
    """

    key: str
    work: str
    wait_seconds: int = 600


def acquire(cursor: Any, lock: Lock) -> None:
    """Take the lock in the transaction of a psycopg2 or ADBC cursor, to the end of that.

    Raises:
        AudoticsError: others had it all the time; their pids and users are named and the transaction is rolled back.
    """
    cursor.execute(f"set local lock_timeout = '{lock.wait_seconds}s'")
    try:
        cursor.execute(f"select pg_advisory_xact_lock({lock.key})")
        cursor.fetchall()
    except (psycopg2.Error, AdbcError) as error:
        if not timed_out(error):
            raise
        cursor.connection.rollback()
        raise _given_up(cursor, lock) from error
    # What the transaction does next may wait for rows and tables as it always did.
    cursor.execute("set local lock_timeout to default")


class HeldLock:
    """An advisory lock that a session has until it ends. It can end early: a server restarts, a network drops an idle
    connection, an administrator terminates it. Nobody tells who works under the lock, so they have to ask.
    """

    def __init__(self, cursor: Any, lock: Lock) -> None:
        self._cursor = cursor
        self._lock = lock

    def require(self) -> None:
        """Ask while something is done under the lock. Ends the transaction of the cursor's own session, if one is open.

        Raises:
            AudoticsError: the session has ended or lost the lock, so that others may have worked at the same time.
        """
        try:
            held = bool(_holders(self._cursor, self._lock, "locks.pid = pg_backend_pid()"))
        except (psycopg2.Error, AdbcError) as error:
            raise self._lost(" ".join(str(error).split())) from error
        if not held:
            raise self._lost("its session no longer has it")

    def _lost(self, how: str) -> AudoticsError:
        return AudoticsError(
            f"the lock of {self._lock.work} was lost ({how}), and another run may have worked at the same time;"
            " check that PostgreSQL runs, then run this again"
        )


@contextmanager
def held(cursor: Any, lock: Lock) -> Iterator[HeldLock]:
    """Hold the lock in the session of a psycopg2 or ADBC cursor, across transactions; at first and last none is open.

    It is asked for again and again, not waited for: a statement that waits keeps its snapshot, with it every dead row
    of the database, and an index that is built concurrently would wait for that.

    Raises:
        AudoticsError: others had it all the time; their pids and users are named.
    """
    give_up_at = time.monotonic() + lock.wait_seconds
    while not _answer(cursor, f"pg_try_advisory_lock({lock.key})"):
        if time.monotonic() > give_up_at:
            raise _given_up(cursor, lock)
        time.sleep(_TRY_AGAIN_SECONDS)
    try:
        yield HeldLock(cursor, lock)
    finally:
        # What failed may have taken the session along, and with it the lock; its own error is the one to show.
        with suppress(psycopg2.Error, AdbcError):
            cursor.connection.rollback()
            _answer(cursor, f"pg_advisory_unlock({lock.key})")


def timed_out(error: psycopg2.Error | AdbcError) -> bool:
    """Whether a statement failed because it waited for a lock for as long as lock_timeout lets it."""
    return (error.pgcode if isinstance(error, psycopg2.Error) else error.sqlstate) == _NOT_AVAILABLE


def named(sessions: Sequence[tuple[int, str]]) -> str:
    """Sessions, as (pid, user), and how one of them is ended, for a message."""
    return (
        ", ".join(f"pid {pid} of user {user}" for pid, user in sessions)
        + f"; try again when it is done, or end it with `select pg_terminate_backend({sessions[0][0]})`"
    )


def _answer(cursor: Any, expression: str) -> Any:
    cursor.execute(f"select {expression}")
    (answer,) = cursor.fetchone()
    cursor.connection.commit()
    return answer


def _holders(cursor: Any, lock: Lock, of: str = "true") -> list[tuple[int, str]]:
    """Pid and user of every session that has the lock."""
    cursor.execute(_HOLDERS.format(key=lock.key, of=of))
    holders = [(int(pid), str(user)) for pid, user in cursor.fetchall()]
    cursor.connection.rollback()
    return holders


def _given_up(cursor: Any, lock: Lock) -> AudoticsError:
    waited = f"gave up after {lock.wait_seconds} s of waiting for another session, which holds the lock of {lock.work}"
    holders = _holders(cursor, lock)
    if not holders:
        return AudoticsError(f"{waited}; it has ended meanwhile: try again")
    return AudoticsError(f"{waited}: {named(holders)}")


# The key's two halves, as pg_locks shows them.
_HOLDERS = """
select locks.pid, activity.usename
from pg_locks as locks
inner join pg_stat_activity as activity on locks.pid = activity.pid
cross join (select cast({key} as bigint) as key) as wanted
where
    locks.locktype = 'advisory' and locks.granted and locks.objsubid = 1 and {of}
    and locks.database = (select oid from pg_database where datname = current_database())
    and locks.classid::bigint = (wanted.key >> 32) & 4294967295
    and locks.objid::bigint = wanted.key & 4294967295
order by locks.pid
"""
