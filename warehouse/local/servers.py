"""PostgreSQL and Redis for this machine: the configured ones, or embedded ones that every process shares."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import filelock

from warehouse.connections import address, check_redis, check_warehouse, plain_url
from warehouse.errors import AudoticsError
from warehouse.local.home import ServerRecord, prepare_home, private_folder, read_state, server_user, write_state
from warehouse.local.postgres import LocalPostgres
from warehouse.local.redis import LocalRedis
from warehouse.local.server import Answer, LocalServer, bring_up
from warehouse.settings import Settings

_LOCK_SECONDS = 900


@dataclass(frozen=True)
class Endpoints:
    """Where the warehouse and Redis answer. The URLs carry passwords, so they are kept out of the repr."""

    warehouse_url: str = field(repr=False)
    redis_url: str = field(repr=False)


@dataclass(frozen=True)
class ServerStatus:
    """One server as found. `url` is None for an embedded server that was never started."""

    title: str
    embedded: bool
    running: bool
    address: str | None
    pid: int | None
    url: str | None = field(repr=False)


def ensure_running(settings: Settings) -> Endpoints:
    """Return the servers to use: those given in the settings and, for the rest, embedded ones.

    Embedded servers are started if need be. They listen on 127.0.0.1 only, with generated passwords, live
    under `settings.home`, outlive this process and are shared by all: a second caller, at once or later, gets
    the same pair. What is already running costs one connection each. With both URLs set, nothing starts and
    no home folder is made.

    Raises AudoticsError when the home cannot be written, a fixed port is taken, or a server does not start.
    """
    urls = _urls(settings, _servers(settings))
    return Endpoints(warehouse_url=urls[LocalPostgres.name], redis_url=urls[LocalRedis.name])


def ensure_redis(settings: Settings) -> str:
    """As `ensure_running`, of Redis alone; returns its URL."""
    return _urls(settings, [server for server in _servers(settings) if server.name == LocalRedis.name])[LocalRedis.name]


def _urls(settings: Settings, wanted: list[LocalServer]) -> dict[str, str]:
    """The URLs of the wanted servers by name, started if need be."""
    given = _given_urls(settings)
    servers = [server for server in wanted if server.name not in given]
    state = read_state(settings.home) if servers else {}
    if not all(_answers(server, state.get(server.name), _fixed_port(settings, server)) for server in servers):
        state = _start(settings, servers)
    return given | {server.name: server.url(state[server.name]) for server in servers}


def stop(settings: Settings) -> list[str]:
    """Stop the embedded servers of `settings.home`, losing nothing, and return the names of those that ran.

    Servers given by URL are never touched. A home without servers is not an error.
    """
    if not settings.home.is_dir():
        return []
    stopped = []
    with _lock(settings):
        state = read_state(settings.home)
        for server in _servers(settings):
            process = server.process()
            if process is not None:
                server.shut_down(process)
                stopped.append(server.title)
            if server.name in state:
                state[server.name] = replace(state[server.name], pid=None)
        if stopped:
            write_state(settings.home, state)
    return stopped


def status(settings: Settings) -> list[ServerStatus]:
    """Return what is there, PostgreSQL first, without starting or creating anything."""
    given = _given_urls(settings)
    state = read_state(settings.home)
    return [
        _status_of_given(server, given[server.name])
        if server.name in given
        else _status_of_embedded(server, state.get(server.name))
        for server in _servers(settings)
    ]


def _given_urls(settings: Settings) -> dict[str, str]:
    given = {}
    if settings.warehouse_url:
        given[LocalPostgres.name] = plain_url(settings.warehouse_url)
    if redis_url := given_redis_url(settings):
        given[LocalRedis.name] = redis_url
    return given


def given_redis_url(settings: Settings) -> str | None:
    """The Redis that the settings name, if they do, with who signs its certificate, as its client reads it."""
    url, ca = settings.redis_url, settings.redis_ca
    if not url or ca is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_ca_certs={quote(str(ca))}"


def _servers(settings: Settings) -> list[LocalServer]:
    return [server(settings.home / server.name) for server in (LocalPostgres, LocalRedis)]


def _fixed_port(settings: Settings, server: LocalServer) -> int | None:
    return settings.pg_port if server.name == LocalPostgres.name else settings.redis_port


def _answers(server: LocalServer, record: ServerRecord | None, fixed_port: int | None) -> bool:
    if record is None or fixed_port not in (None, record.port) or server.process() is None:
        return False
    return server.answer(record) is Answer.READY


def _start(settings: Settings, servers: list[LocalServer]) -> dict[str, ServerRecord]:
    prepare_home(settings.home)
    with _lock(settings):
        state = read_state(settings.home)
        for server in servers:

            def save(record: ServerRecord, name: str = server.name) -> None:
                state[name] = record
                write_state(settings.home, state)

            user = server_user(server.folder)
            private_folder(server.folder, user)
            save(bring_up(server, state.get(server.name), _fixed_port(settings, server), user, save))
    return state


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    path = settings.home / ".servers.lock"
    try:
        with filelock.FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except filelock.Timeout as error:
        raise AudoticsError(
            f"another process has held {path} for {_LOCK_SECONDS} s; end that process and try again"
        ) from error
    except OSError as error:
        raise AudoticsError(
            f"cannot use {error.filename or settings.home} ({error.strerror});"
            " fix that, or set AUDOTICS_HOME to a folder you own"
        ) from error


def _status_of_given(server: LocalServer, url: str) -> ServerStatus:
    postgres = server.name == LocalPostgres.name
    try:
        if postgres:
            check_warehouse(url)
        else:
            check_redis(url)
        running = True
    except AudoticsError:
        running = False
    return ServerStatus(server.title, False, running, address(url, 5432 if postgres else 6379), None, url)


def _status_of_embedded(server: LocalServer, record: ServerRecord | None) -> ServerStatus:
    if record is None:
        return ServerStatus(server.title, True, False, None, None, None)
    url = server.url(record)
    process = server.process()
    running = process is not None and server.answer(record) is Answer.READY
    where = address(url, record.port)
    return ServerStatus(server.title, True, running, where, process.pid if process else None, url)
