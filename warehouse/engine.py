"""Connections to the warehouse: SQLAlchemy for statements, ADBC for Arrow in bulk. Both speak UTC."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, quote, urlsplit

import sqlalchemy
from adbc_driver_postgresql import dbapi

from warehouse.connections import CONNECT_TIMEOUT_SECONDS, plain_url

_UTC_OPTION = "-c timezone=UTC"
# Held while dbt builds and while the training set is updated: two runs would write the same tables and files.
MODELS_LOCK = "audotics-models"


def sqlalchemy_url(url: str) -> str:
    """Return the URL with its driver named: a bare `postgresql://` means psycopg 3 to SQLAlchemy 2.1."""
    return plain_url(url).replace("postgresql://", "postgresql+psycopg2://", 1)


def create_engine(url: str) -> sqlalchemy.Engine:
    """Return an engine on psycopg2 whose sessions are in UTC.

    It keeps no pool: a step of a run opens one connection, and idle ones would outlive it.
    """
    return sqlalchemy.create_engine(
        sqlalchemy_url(url),
        poolclass=sqlalchemy.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS, "options": _options(url)},
    )


@contextmanager
def exclusive(url: str, name: str) -> Iterator[None]:
    """Hold a lock of this name in the warehouse: of all processes, one at a time gets past. The server frees it when
    the holder dies.
    """
    engine = create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sqlalchemy.text("select pg_advisory_lock(hashtext(:name))"), {"name": name})
        yield


def adbc_connect(url: str) -> dbapi.Connection:
    """Return an ADBC connection in UTC, for `adbc_ingest` and `fetch_arrow_table`. It does not autocommit."""
    base = plain_url(url).partition("?")[0]
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    query["options"] = _options(url)
    # urlencode would write a space as `+`, which libpq takes literally.
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return dbapi.connect(f"{base}?{text}")


def _options(url: str) -> str:
    """Return libpq's `options` for a session in UTC, keeping those that the URL itself asks for."""
    given = parse_qs(urlsplit(url).query).get("options", [""])[-1]
    return f"{given} {_UTC_OPTION}".strip()
