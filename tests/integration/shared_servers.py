"""One PostgreSQL and one Redis for all workers of a session: who gets which database, and what is made only once."""

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import redis
from filelock import FileLock
from psycopg2 import sql

from warehouse.local.servers import Endpoints, ensure_running
from warehouse.roles import WORKING_ROLES, Role
from warehouse.settings import Settings

MIGRATED = "migrated"
OWNER = "plain_owner"
# Redis has 16 by default. The first is that of the session's home: of every command that a test runs with no URL given.
REDIS_DATABASES = range(1, 16)
# Two minutes: no test keeps one for as long without being stuck.
_TRIES = 1200
_BETWEEN_TRIES_SECONDS = 0.1
_TAKER = "by"
WORKER = "worker"
# They reach past a worker's own database, so they would disturb a test that runs beside.
_WHOLE_REDIS = ("-config", "+config|get", "-client", "+client|list", "-acl", "-debug", "-flushall", "-shutdown")


@dataclass(frozen=True)
class SharedServers:
    """The servers under a folder that all workers know; in the folder stands what was made already."""

    folder: Path
    endpoints: Endpoints

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns to the first worker that asks, as JSON holds it; the others wait for it."""
        with FileLock(self.folder / f"{name}.lock"):
            made = self.folder / f"{name}.json"
            if not made.exists():
                made.write_text(json.dumps(make()), encoding="utf-8")
            return json.loads(made.read_text(encoding="utf-8"))

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Until the end, no other worker has to do with what belongs to the whole server, such as a role's password."""
        with FileLock(self.folder / f"{what}.alone"):
            yield

    def create(self, template: str | None = None, owner: str | None = None) -> str:
        """Create a database, copied from a template if one is named, and return the URL by which its owner knows it.

        Databases that nobody drops go with the server.
        """
        return self._create(f"test_{secrets.token_hex(6)}", template, owner)

    def template(
        self, name: str, fill: Callable[[str], object], start: str | None = None, owner: str | None = None
    ) -> str:
        """The name of a database that `fill` was called with once, to copy from; it started as a copy of `start`."""

        def make() -> str:
            # A worker may have died over it.
            self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            fill(self._create(name, start, owner))
            # Nobody can be connected to a database that is copied.
            self._execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
            self._execute(
                sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(
                    sql.Literal(name)
                )
            )
            return name

        return str(self.once(name, make))

    def migrated(self) -> str:
        """The name of a migrated, empty database."""
        import warehouse.migrate

        return self.template(MIGRATED, warehouse.migrate.upgrade)

    def owner(self) -> str:
        """The name of a role that is not a superuser, but may create roles and work as every role of the warehouse."""
        # The migrations make the roles, so the administrator has to let this owner use them.
        self.migrated()

        def make() -> str:
            self._execute(sql.SQL(f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD 'secret'"))
            self._execute(sql.SQL(f"GRANT {', '.join(WORKING_ROLES)} TO {OWNER}"))
            self._execute(sql.SQL(f"GRANT {Role.ANALYST} TO {OWNER} WITH ADMIN OPTION"))
            return OWNER

        return str(self.once(OWNER, make))

    def owned(self) -> str:
        """The name of a database like `migrated`, migrated by that owner."""
        import warehouse.migrate

        return self.template("owned", warehouse.migrate.upgrade, owner=self.owner())

    def drop(self, url: str) -> None:
        name = sql.Identifier(url.rpartition("/")[2])
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    @contextmanager
    def redis(self) -> Iterator[str]:
        """The URL of an empty database of Redis that nobody else uses meanwhile.

        What touches the whole server is refused there; a test that needs it is marked `own_redis`.
        """
        number = self._take()
        url = self._redis_url(number)
        try:
            yield url
        finally:
            with redis.Redis.from_url(url) as client:
                client.flushdb()
            shutil.rmtree(self._taken(number))

    def keep_redis(self) -> str:
        """The URL of an empty database of Redis that stays with the caller until the session ends."""
        return self._redis_url(self._take())

    def _redis_url(self, number: int) -> str:
        return f"redis://{WORKER}:secret@{self.endpoints.redis_url.rpartition('/')[0].rpartition('@')[2]}/{number}"

    def _take(self) -> int:
        """The number of a database that is free, or becomes free soon. Raises TimeoutError saying who has which."""
        by = os.environ.get("PYTEST_CURRENT_TEST", "no test")
        for _ in range(_TRIES):
            for number in REDIS_DATABASES:
                try:
                    self._taken(number).mkdir(parents=True)
                except FileExistsError:
                    continue
                self._taken(number).joinpath(_TAKER).write_text(by, encoding="utf-8")
                return number
            time.sleep(_BETWEEN_TRIES_SECONDS)
        raise TimeoutError(f"every database of the session's Redis stays taken: {self._takers()}")

    def _takers(self) -> str:
        files = (self._taken(number) / _TAKER for number in REDIS_DATABASES)
        return "; ".join(f"{file.parent.name} by {file.read_text('utf-8')}" for file in files if file.exists())

    def _taken(self, number: int) -> Path:
        return self.folder / "redis_databases" / str(number)

    def _create(self, name: str, template: str | None, owner: str | None) -> str:
        database, roles = sql.Identifier(name), sql.SQL(", ".join(WORKING_ROLES))
        statement = sql.SQL("CREATE DATABASE {}").format(database)
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        if owner:
            statement += sql.SQL(" OWNER {}").format(sql.Identifier(owner))
        # A copy has not the rights on the database itself, which the first migration takes from the public.
        rights = [
            sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database),
            sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, roles),
        ]
        self._execute(statement, *(rights if template else ()))
        user, _, server = self.endpoints.warehouse_url.rpartition("/")[0].rpartition("@")
        return f"{f'postgresql://{owner}:secret' if owner else user}@{server}/{name}"

    def _execute(self, *statements: sql.Composable) -> None:
        execute(self.endpoints.warehouse_url, *statements)


def start(settings: Settings, folder: Path) -> SharedServers:
    """The servers of the session's home, started by the first worker that asks."""
    servers = SharedServers(folder, ensure_running(settings))

    def without_durability() -> None:
        # Every database here is thrown away; nothing kills the server.
        off = [f"ALTER SYSTEM SET {name} = off" for name in ("fsync", "synchronous_commit", "full_page_writes")]
        # Every copy of a template goes through the log as well.
        off.append("ALTER SYSTEM SET wal_init_zero = off")
        execute(servers.endpoints.warehouse_url, *map(sql.SQL, off), sql.SQL("SELECT pg_reload_conf()"))

    def without_the_whole_redis() -> None:
        with redis.Redis.from_url(servers.endpoints.redis_url) as client:
            client.acl_setuser(
                WORKER,
                enabled=True,
                passwords=["+secret"],
                keys=["*"],
                channels=["*"],
                commands=["+@all", *_WHOLE_REDIS],
            )

    servers.once("settings", without_durability)
    servers.once("redis", without_the_whole_redis)
    return servers


def execute(url: str, *statements: sql.Composable) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()
