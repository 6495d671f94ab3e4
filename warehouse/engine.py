"""Connections to the warehouse: SQLAlchemy for statements, ADBC for Arrow in bulk. Both speak UTC.

Each takes the role to work as; without one the session keeps the rights of the user that the URL names.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from urllib.parse import parse_qs, quote, urlsplit

import psycopg2
import sqlalchemy
from adbc_driver_postgresql import dbapi

from warehouse.connections import CONNECT_TIMEOUT_SECONDS, plain_url
from warehouse.locks import HeldLock, Lock, held
from warehouse.roles import Role

_UTC_OPTION = "-c timezone=UTC"
# After a minute and a half without an answer the other side is gone: a step fails instead of waiting for hours, and
# the server frees the locks of a machine that has died. Something between the two forgets idle connections sooner than
# the two hours after which TCP would ask by itself.
_IDLE_SECONDS, _INTERVAL_SECONDS, _PROBES = 30, 10, 6
_KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": str(_IDLE_SECONDS),
    "keepalives_interval": str(_INTERVAL_SECONDS),
    "keepalives_count": str(_PROBES),
    "tcp_user_timeout": str((_IDLE_SECONDS + _PROBES * _INTERVAL_SECONDS) * 1000),
}
_SERVER_KEEPALIVES = (
    f"-c tcp_keepalives_idle={_IDLE_SECONDS} -c tcp_keepalives_interval={_INTERVAL_SECONDS}"
    f" -c tcp_keepalives_count={_PROBES}"
)
# Held while dbt builds and while the training set is updated: two runs would write the same tables and files.
# Building everything again may take the better part of an hour.
MODELS_LOCK = Lock("hashtext('audotics-models')", "building models", wait_seconds=3600)


def sqlalchemy_url(url: str) -> str:
    """Return the URL with its driver named: a bare `postgresql://` means psycopg 3 to SQLAlchemy 2.1."""
    return plain_url(url).replace("postgresql://", "postgresql+psycopg2://", 1)


def create_engine(url: str, role: Role | None = None) -> sqlalchemy.Engine:
    """Return an engine on psycopg2 whose sessions are in UTC.

    It keeps no pool: a step of a run opens one connection, and idle ones would outlive it.
    """
    return sqlalchemy.create_engine(sqlalchemy_url(session_url(url, role)), poolclass=sqlalchemy.NullPool)


@contextmanager
def exclusive(url: str, lock: Lock, role: Role | None = None) -> Iterator[HeldLock]:
    """Hold a lock of the warehouse: of all processes, one at a time gets past. The server frees it when the
    holder dies, or its session; who commits something under the lock asks `HeldLock.require` before.

    Raises:
        AudoticsError: another session has the lock for too long; it is named.
    """
    with closing(psycopg2.connect(session_url(url, role))) as connection, connection.cursor() as cursor:
        # No transaction stays open for it.
        connection.autocommit = True
        with held(cursor, lock) as lock_of_session:
            yield lock_of_session


def adbc_connect(url: str, role: Role | None = None) -> dbapi.Connection:
    """Return an ADBC connection in UTC, for `adbc_ingest` and `fetch_arrow_table`. It does not autocommit."""
    return dbapi.connect(session_url(url, role))


def adbc_reader(url: str, role: Role) -> dbapi.Connection:
    """Return an ADBC connection in UTC whose transactions end with their statement.

    For what reads and then computes: an open transaction keeps a lock of every table it has read, and nobody could
    exchange a partition of it for as long.
    """
    return dbapi.connect(session_url(url, role), autocommit=True)


def session_url(url: str, role: Role | None = None, schema: str | None = None) -> str:
    """Return a plain `postgresql://` URL that says by itself that its sessions are in UTC, work as `role`, look for
    tables in `schema`, and notice on both sides when the other is gone. What the URL says about the latter, it keeps.
    """
    base = plain_url(url).partition("?")[0]
    given = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    ours = {"connect_timeout": str(CONNECT_TIMEOUT_SECONDS), **_KEEPALIVES}
    query = {**ours, **given, "options": _options(given, role, schema)}
    # urlencode would write a space as `+`, which libpq takes literally.
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"{base}?{text}"


def _options(given: Mapping[str, str], role: Role | None, schema: str | None) -> str:
    """Return libpq's `options` of a session, keeping those that the URL itself asks for."""
    asked = {"role": role, "search_path": schema}
    ours = " ".join(f"-c {name}={value}" for name, value in asked.items() if value)
    return " ".join(filter(None, (_SERVER_KEEPALIVES, given.get("options"), _UTC_OPTION, ours)))
