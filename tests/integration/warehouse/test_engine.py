"""Connections that the rest of the platform uses."""

import time
from contextlib import ExitStack
from pathlib import Path

import pyarrow
import pytest
import sqlalchemy
from loading import THIS_DATABASE

from warehouse.engine import MODELS_LOCK, adbc_connect, adbc_reader, create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.roles import Role

KEEPALIVE_TIMER = "02"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_accepted_scheme_connects_through_psycopg2_in_utc(warehouse_url: str, scheme: str) -> None:
    engine = create_engine(warehouse_url.replace("postgresql", scheme, 1))
    with engine.connect() as connection:
        zone: str = connection.execute(sqlalchemy.text("SHOW timezone")).scalar_one()
    engine.dispose()
    assert (engine.dialect.driver, zone) == ("psycopg2", "UTC")


def test_another_scheme_is_refused_without_showing_the_password() -> None:
    with pytest.raises(AudoticsError, match="AUDOTICS_WAREHOUSE_URL") as raised:
        create_engine("mysql://someone:hunter2@db.example/audotics")
    assert "hunter2" not in str(raised.value)


def test_adbc_loads_arrow_and_reads_it_back_in_utc_whatever_the_url_asks_for(warehouse_url: str) -> None:
    table = pyarrow.table({"user_key": pyarrow.array([3, 1, 2], pyarrow.int32())})
    with (
        adbc_connect(f"{warehouse_url}?options=-c%20timezone%3DAsia%2FTokyo") as connection,
        connection.cursor() as cursor,
    ):
        cursor.adbc_ingest("loaded", table, mode="create")
        connection.commit()
        cursor.execute("SELECT user_key, current_setting('TimeZone') FROM loaded ORDER BY user_key")
        assert cursor.fetchall() == [(1, "UTC"), (2, "UTC"), (3, "UTC")]


@pytest.mark.parametrize("connection", ["psycopg2", "adbc", "reader", "lock"])
def test_both_sides_of_a_connection_notice_within_minutes_that_the_other_is_gone(
    warehouse_url: str, connection: str
) -> None:
    asking = "select current_setting('tcp_keepalives_idle'), inet_client_port(), inet_server_port()"
    with ExitStack() as stack:
        if connection == "psycopg2":
            engine = stack.enter_context(create_engine(warehouse_url).connect())
            server_idle, *ports = engine.execute(sqlalchemy.text(asking)).one()
        elif connection == "lock":
            lock = stack.enter_context(exclusive(warehouse_url, MODELS_LOCK, Role.SERVICE))
            lock._cursor.execute(asking)
            server_idle, *ports = lock._cursor.fetchone()
        else:
            of_adbc = adbc_connect(warehouse_url) if connection == "adbc" else adbc_reader(warehouse_url, Role.SERVICE)
            cursor = stack.enter_context(stack.enter_context(of_adbc).cursor())
            cursor.execute(asking)
            server_idle, *ports = cursor.fetchone()
        assert server_idle == "30"
        assert seconds_to_keepalive(*ports) <= 30


def seconds_to_keepalive(client_port: int, server_port: int) -> float:
    """Of the connection between these ports of loopback, how long the client's kernel waits before it asks the server.

    The kernel shows one timer of a connection. While an answer waits to be acknowledged, that is another one than the
    keepalive's, for some hundredths of a second.
    """
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        kind, ticks = timer_of(client_port, server_port)
        if kind == KEEPALIVE_TIMER:
            return ticks / 100
        time.sleep(0.02)
    raise AssertionError(f"no keepalive on the connection from port {client_port}")


def timer_of(client_port: int, server_port: int) -> tuple[str, int]:
    """The kind of timer that runs on the connection between these ports of loopback, and its hundredths of seconds."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        # An ended connection to another server may still hold the client's port.
        _, local, remote, _, _, timer, *_ = line.split()
        if [local, remote] == [f"0100007F:{client_port:04X}", f"0100007F:{server_port:04X}"]:
            kind, _, ticks = timer.partition(":")
            return kind, int(ticks, 16)
    raise AssertionError(f"no connection from port {client_port}")


def test_keepalives_and_options_of_the_url_itself_hold(warehouse_url: str) -> None:
    asked = f"{warehouse_url}?keepalives_idle=7&options=-c%20lock_timeout%3D5s%20-c%20tcp_keepalives_idle%3D9"
    with create_engine(asked, Role.SERVICE).connect() as connection:
        settings = "current_setting('lock_timeout'), current_setting('tcp_keepalives_idle'), current_user::text"
        found = connection.execute(sqlalchemy.text(f"select {settings}, inet_client_port(), inet_server_port()")).one()
        assert found[:3] == ("5s", "9", Role.SERVICE)
        assert seconds_to_keepalive(*found[3:]) <= 7


def test_a_reader_keeps_no_transaction_and_no_lock_of_what_it_read(warehouse_url: str) -> None:
    read = "select count(*) from ml.recommendations"
    of_lists = "relation = 'ml.recommendations'::regclass"
    locks = f"select count(*) from pg_locks where {of_lists} and database = {THIS_DATABASE}"
    with create_engine(warehouse_url).connect() as other:
        for connect, held in ((adbc_reader, 0), (adbc_connect, 1)):
            with connect(warehouse_url, Role.SERVICE) as connection, connection.cursor() as cursor:
                cursor.execute(read)
                assert cursor.fetchall() == [(0,)]
                assert other.execute(sqlalchemy.text(locks)).scalar_one() == held
