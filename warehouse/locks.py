"""Advisory locks of the warehouse: who has one works alone, and who does not get it is told who has it.

PostgreSQL lets every user of a database take any advisory lock, analysts too: nobody waits for one without end.
"""

from dataclasses import dataclass
from typing import Any

import psycopg2
from adbc_driver_manager import Error as AdbcError

from warehouse.errors import AudoticsError

_NOT_AVAILABLE = "55P03"


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

    def statement(self, *, session: bool = False) -> str:
        """SQL that waits for the lock and holds it to the end of the transaction, or of the session."""
        return f"select pg_advisory{'' if session else '_xact'}_lock({self.key})"


def acquire(cursor: Any, lock: Lock, *, session: bool = False) -> None:
    """Take the lock in the transaction of a psycopg2 or ADBC cursor, to the end of it or of the session.

    Raises:
        AudoticsError: others had it all the time; their pids and users are named and the transaction is rolled back.
    """
    cursor.execute(f"set local lock_timeout = '{lock.wait_seconds}s'")
    try:
        cursor.execute(lock.statement(session=session))
        cursor.fetchall()
    except (psycopg2.Error, AdbcError) as error:
        if _sqlstate(error) != _NOT_AVAILABLE:
            raise
        cursor.connection.rollback()
        raise _given_up(lock, _holders(cursor, lock)) from error
    # What the transaction does next may wait for rows and tables as it always did.
    cursor.execute("set local lock_timeout to default")


def _sqlstate(error: psycopg2.Error | AdbcError) -> str | None:
    return error.pgcode if isinstance(error, psycopg2.Error) else error.sqlstate


def _holders(cursor: Any, lock: Lock) -> list[tuple[int, str]]:
    """Pid and user of every session that has the lock."""
    cursor.execute(_HOLDERS.format(key=lock.key))
    holders = [(int(pid), str(user)) for pid, user in cursor.fetchall()]
    cursor.connection.rollback()
    return holders


def _given_up(lock: Lock, holders: list[tuple[int, str]]) -> AudoticsError:
    waited = f"gave up after {lock.wait_seconds} s of waiting for another session, which holds the lock of {lock.work}"
    if not holders:
        return AudoticsError(f"{waited}; it has ended meanwhile: try again")
    named = ", ".join(f"pid {pid} of user {user}" for pid, user in holders)
    return AudoticsError(
        f"{waited}: {named}; try again when it is done, or end it with `select pg_terminate_backend({holders[0][0]})`"
    )


# The key's two halves, as pg_locks shows them.
_HOLDERS = """
select locks.pid, activity.usename
from pg_locks as locks
inner join pg_stat_activity as activity on locks.pid = activity.pid
cross join (select cast({key} as bigint) as key) as wanted
where
    locks.locktype = 'advisory' and locks.granted and locks.objsubid = 1
    and locks.database = (select oid from pg_database where datname = current_database())
    and locks.classid::bigint = (wanted.key >> 32) & 4294967295
    and locks.objid::bigint = wanted.key & 4294967295
order by locks.pid
"""
