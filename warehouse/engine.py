"""Connections to the warehouse: SQLAlchemy for statements, ADBC for Arrow in bulk. Both speak UTC.

Each takes the role to work as; without one the session keeps the rights of the user that the URL names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, quote, urlsplit

import sqlalchemy
from adbc_driver_postgresql import dbapi

from warehouse.connections import CONNECT_TIMEOUT_SECONDS, plain_url
from warehouse.locks import Lock, acquire
from warehouse.roles import Role

_UTC_OPTION = "-c timezone=UTC"
# Held while dbt builds and while the training set is updated: two runs would write the same tables and files.
# Building everything anew may take the better part of an hour.
MODELS_LOCK = Lock("hashtext('audotics-models')", "building models", wait_seconds=3600)


def sqlalchemy_url(url: str) -> str:
    """Return the URL with its driver named: a bare `postgresql://` means psycopg 3 to SQLAlchemy 2.1."""
    return plain_url(url).replace("postgresql://", "postgresql+psycopg2://", 1)


def create_engine(url: str, role: Role | None = None) -> sqlalchemy.Engine:
    """Return an engine on psycopg2 whose sessions are in UTC.

    It keeps no pool: a step of a run opens one connection, and idle ones would outlive it.
    """
    return sqlalchemy.create_engine(
        sqlalchemy_url(url),
        poolclass=sqlalchemy.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS, "options": _options(url, role)},
    )


@contextmanager
def exclusive(url: str, lock: Lock, role: Role | None = None) -> Iterator[None]:
    """Hold a lock of the warehouse: of all processes, one at a time gets past. The server frees it when the
    holder dies.

    Raises:
        AudoticsError: another session has the lock for too long; it is named.
    """
    with create_engine(url, role).connect() as connection:
        acquire(connection.connection.cursor(), lock, session=True)
        # The session has the lock, no transaction stays open for it.
        connection.connection.commit()
        yield


def adbc_connect(url: str, role: Role | None = None) -> dbapi.Connection:
    """Return an ADBC connection in UTC, for `adbc_ingest` and `fetch_arrow_table`. It does not autocommit."""
    return dbapi.connect(session_url(url, role))


def session_url(url: str, role: Role | None = None) -> str:
    """Return a plain `postgresql://` URL that says by itself that its sessions are in UTC and work as `role`."""
    base = plain_url(url).partition("?")[0]
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    query["options"] = _options(url, role)
    # urlencode would write a space as `+`, which libpq takes literally.
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"{base}?{text}"


def _options(url: str, role: Role | None) -> str:
    """Return libpq's `options` for a session in UTC as `role`, keeping those that the URL itself asks for."""
    given = parse_qs(urlsplit(url).query).get("options", [""])[-1]
    return " ".join(filter(None, (given, _UTC_OPTION, role and f"-c role={role}")))
