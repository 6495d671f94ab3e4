"""The embedded servers: shared, private, loopback only, and back after a kill with everything they held."""

import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from warehouse.errors import AudoticsError
from warehouse.local.server import port_is_free
from warehouse.local.servers import Endpoints, ensure_running, status, stop
from warehouse.settings import Settings

ENSURE = """
import sys
from pathlib import Path
from warehouse.local.servers import ensure_running
from warehouse.settings import Settings
endpoints = ensure_running(Settings(home=Path(sys.argv[1])))
print(endpoints.warehouse_url, endpoints.redis_url)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")


@pytest.fixture(scope="module")
def own(session_folder: Path) -> Iterator[Settings]:
    """Settings of a home for this module's tests to kill and stop servers in."""
    settings = Settings(home=session_folder / "killed-and-stopped")
    yield settings
    stop(settings)


def write_memory(endpoints: Endpoints) -> None:
    with closing(psycopg2.connect(endpoints.warehouse_url)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS memory")
        cursor.execute("CREATE TABLE memory AS SELECT n FROM generate_series(1, 5000) AS n")
        connection.commit()
    with redis.Redis.from_url(endpoints.redis_url) as client:
        client.flushall()
        client.mset({f"memory:{n}": n for n in range(500)})


def assert_memory_is_whole(endpoints: Endpoints) -> None:
    with closing(psycopg2.connect(endpoints.warehouse_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(n) FROM memory")
        assert cursor.fetchone() == (5000, 12502500)
    with redis.Redis.from_url(endpoints.redis_url) as client:
        assert client.dbsize() == 500
        assert client.get("memory:499") == b"499"


def pids(settings: Settings) -> list[int]:
    return [found.pid for found in status(settings) if found.pid is not None]


def kill_both(settings: Settings) -> None:
    killed = [psutil.Process(pid) for pid in pids(settings)]
    assert len(killed) == 2
    for process in killed:
        process.kill()
    assert not any(found.running for found in status(settings))


def wait_until_free(port: int) -> None:
    """PostgreSQL's sessions hold its port until they notice that the killed server is gone."""
    while not port_is_free(port):
        time.sleep(0.05)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@contextmanager
def stranger_on(port: int) -> Iterator[None]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound = False
        while not bound:
            # The system may give the port to a connection of another test for a moment.
            wait_until_free(port)
            with suppress(OSError):
                listener.bind(("127.0.0.1", port))
                bound = True
        listener.listen()
        yield


def test_four_processes_starting_at_once_get_one_pair_of_servers_that_outlives_them(fresh_home: Settings) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", ENSURE, str(fresh_home.home)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = [starter.communicate(timeout=120) for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0, 0], answers
    assert len({out for out, _ in answers}) == 1

    servers = servers_under(fresh_home.home)
    assert sorted(process.pid for process in servers) == sorted(pids(fresh_home))
    assert sorted(process.name() for process in servers) == ["postgres", "redis-server"]
    # A session of its own: Ctrl-C in the terminal that started a server does not reach it.
    assert all(os.getsid(process.pid) != os.getsid(0) for process in servers)


def servers_under(home: Path) -> list[psutil.Process]:
    named = [it for it in psutil.process_iter(["name"]) if it.info["name"] in ("postgres", "redis-server")]
    return [process for process in named if is_server_under(process, home)]


def is_server_under(process: psutil.Process, home: Path) -> bool:
    """Tell whether a process is a server of that home, and not one that a server has forked."""
    try:
        parent = process.parent()
        forked = parent is not None and parent.name() == process.name()
        return not forked and Path(process.cwd()).is_relative_to(home.resolve())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


@pytest.mark.parametrize("moment", ["postgres/data.new", "postgres/data/postmaster.pid", "redis/redis.conf"])
@pytest.mark.slow
def test_a_start_that_is_killed_halfway_is_completed_by_the_next(fresh_home: Settings, moment: str) -> None:
    with subprocess.Popen([sys.executable, "-c", ENSURE, str(fresh_home.home)]) as starter:
        while not (fresh_home.home / moment).exists():
            assert starter.poll() is None
            time.sleep(0.005)
        starter.kill()
    endpoints = ensure_running(fresh_home)
    write_memory(endpoints)
    assert_memory_is_whole(endpoints)
    assert sorted(server.pid for server in servers_under(fresh_home.home)) == sorted(pids(fresh_home))


def test_a_second_call_returns_the_same_servers(own: Settings) -> None:
    first = ensure_running(own)
    running = pids(own)
    assert ensure_running(own) == first
    assert pids(own) == running


def test_servers_listen_on_loopback_only_and_ask_for_a_password(own: Settings) -> None:
    endpoints = ensure_running(own)
    for pid in pids(own):
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(pid).net_connections(kind="all")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]
    for password in ("", "guess"):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(
                host="127.0.0.1",
                port=port_of(endpoints.warehouse_url),
                user="audotics",
                password=password,
                dbname="audotics",
                passfile="/dev/null",
            )
    with (
        redis.Redis(port=port_of(endpoints.redis_url), retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


def test_passwords_are_readable_by_their_owner_only_and_shown_nowhere(own: Settings) -> None:
    endpoints = ensure_running(own)
    passwords = [url.partition("@")[0].rpartition(":")[2] for url in (endpoints.warehouse_url, endpoints.redis_url)]
    holding = [
        path
        for path in own.home.rglob("*")
        if path.is_file() and any(password in path.read_text("utf-8", "replace") for password in passwords)
    ]
    assert {path.name for path in holding} == {"servers.json", "redis.conf"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}
    shown = [repr(endpoints), repr(status(own)), *(str(psutil.Process(pid).cmdline()) for pid in pids(own))]
    assert not [text for text in shown if any(password in text for password in passwords)]


def test_killed_servers_come_back_on_their_ports_with_their_data(own: Settings) -> None:
    before = ensure_running(own)
    write_memory(before)
    kill_both(own)
    after = ensure_running(own)
    assert after == before
    assert_memory_is_whole(after)


def test_a_port_taken_while_the_servers_were_down_is_left_to_its_new_owner(own: Settings) -> None:
    before = ensure_running(own)
    write_memory(before)
    kill_both(own)
    with stranger_on(port_of(before.warehouse_url)), stranger_on(port_of(before.redis_url)):
        after = ensure_running(own)
        assert port_of(after.warehouse_url) != port_of(before.warehouse_url)
        assert port_of(after.redis_url) != port_of(before.redis_url)
        assert_memory_is_whole(after)
    assert ensure_running(own) == after


def test_a_program_that_got_a_dead_servers_pid_is_neither_mistaken_for_it_nor_stopped(own: Settings) -> None:
    endpoints = ensure_running(own)
    write_memory(endpoints)
    kill_both(own)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            pid_file = own.home / "postgres" / "data" / "postmaster.pid"
            rest = pid_file.read_text("utf-8").partition("\n")[2]
            pid_file.write_text(f"{stranger.pid}\n{rest}", "utf-8")
            (own.home / "redis" / "redis.pid").write_text(f"{stranger.pid}\n", "utf-8")
            assert stop(own) == []
            assert_memory_is_whole(ensure_running(own))
            assert stop(own) == ["PostgreSQL", "Redis"]
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("content", [None, "{broken", '{"postgres": {"port": 1}}'])
def test_a_lost_or_damaged_state_file_costs_no_data(own: Settings, content: str | None) -> None:
    before = ensure_running(own)
    write_memory(before)
    state = own.home / "servers.json"
    state.unlink() if content is None else state.write_text(content, "utf-8")
    after = ensure_running(own)
    assert after != before
    assert_memory_is_whole(after)


def test_stop_ends_both_servers_keeps_their_data_and_may_be_repeated(own: Settings) -> None:
    before = ensure_running(own)
    write_memory(before)
    processes = [psutil.Process(pid) for pid in pids(own)]
    assert stop(own) == ["PostgreSQL", "Redis"]
    assert not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not [found for found in status(own) if found.running or found.pid]
    assert stop(own) == []
    assert_memory_is_whole(ensure_running(own))


def test_fixed_ports_are_used_and_a_change_of_them_is_refused_while_running(
    own: Settings, free_port: Callable[[], int]
) -> None:
    stop(own)
    fixed = own.model_copy(update={"pg_port": free_port(), "redis_port": free_port()})
    endpoints = ensure_running(fixed)
    assert port_of(endpoints.warehouse_url) == fixed.pg_port
    assert port_of(endpoints.redis_url) == fixed.redis_port
    with pytest.raises(AudoticsError, match=f"already runs on port {fixed.pg_port}.*audotics down"):
        ensure_running(fixed.model_copy(update={"pg_port": free_port()}))
    assert ensure_running(fixed) == endpoints


@pytest.mark.parametrize("setting", ["pg_port", "redis_port"])
def test_a_fixed_port_that_is_taken_is_named_in_the_error(
    own: Settings, setting: str, free_port: Callable[[], int]
) -> None:
    stop(own)
    port = free_port()
    message = f"port {port} is taken.*AUDOTICS_{setting.upper()}"
    with stranger_on(port), pytest.raises(AudoticsError, match=message):
        ensure_running(own.model_copy(update={setting: port}))


@pytest.fixture
def free_port() -> Callable[[], int]:
    def pick() -> int:
        with socket.socket() as knock:
            knock.bind(("127.0.0.1", 0))
            return int(knock.getsockname()[1])

    return pick


@as_root
def test_roots_servers_do_not_run_as_root(own: Settings) -> None:
    ensure_running(own)
    assert {psutil.Process(pid).username() for pid in pids(own)} == {"pgserver"}
