"""`audotics analyst-url`, as a process of its own: a URL that connects, and stays the same until it is rotated."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from pipeline_process import Pipeline
from shared_servers import SharedServers

from warehouse.analysts import PASSWORD_FILE
from warehouse.local.servers import Endpoints
from warehouse.roles import Role
from warehouse.settings import Settings

ANALYST = Role.ANALYST


@pytest.fixture(scope="module", autouse=True)
def analysts_password(servers: SharedServers) -> Iterator[None]:
    with servers.alone("analysts_password"):
        yield


@pytest.fixture(scope="module")
def platform(session_folder: Path, module_redis_url: str, new_warehouse: Callable[[], str]) -> Pipeline:
    """A migrated warehouse without data."""
    return Pipeline(new_warehouse(), module_redis_url, session_folder / "analysts")


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def analyst_url(platform: Pipeline, *arguments: str) -> str:
    """The one line that the command prints."""
    done = platform.run("analyst-url", *arguments)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return line


def test_the_url_connects_to_this_warehouse_and_is_the_same_every_time(platform: Pipeline) -> None:
    url = analyst_url(platform)
    parts, given = urlsplit(url), urlsplit(platform.warehouse_url)
    assert (parts.username, parts.hostname, parts.port) == (ANALYST, given.hostname, given.port)
    assert execute(url, "select current_user::text, current_database()::text") == [(ANALYST, given.path[1:])]
    assert analyst_url(platform) == url
    assert platform.json("analyst-url") == {"url": url}
    file = platform.home / PASSWORD_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() == parts.password


def test_a_rotated_or_lost_password_is_replaced_and_the_old_one_ends(platform: Pipeline) -> None:
    first = analyst_url(platform)
    rotated = analyst_url(platform, "--rotate")
    (platform.home / PASSWORD_FILE).unlink()
    last = analyst_url(platform)
    assert len({first, rotated, last}) == 3
    for old in (first, rotated):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(old)
    assert execute(last, "select 1") == [(1,)]


def test_a_password_that_the_server_lost_is_set_again_hashed_with_scram(
    platform: Pipeline, endpoints: Endpoints
) -> None:
    url = analyst_url(platform)
    execute(endpoints.warehouse_url, f"alter role {ANALYST} password null")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(url)
    assert analyst_url(platform) == url
    assert execute(url, "select 1") == [(1,)]
    ((stored,),) = execute(endpoints.warehouse_url, f"select rolpassword from pg_authid where rolname = '{ANALYST}'")
    assert stored.startswith("SCRAM-SHA-256$")


def test_the_url_keeps_what_belongs_to_the_server_and_nothing_of_the_user(platform: Pipeline) -> None:
    query = "sslmode=prefer&application_name=our%20job&options=-c%20work_mem%3D1MB"
    url = analyst_url(replace(platform, warehouse_url=f"{platform.warehouse_url}?{query}"))
    assert urlsplit(url).query == "sslmode=prefer&application_name=our%20job"
    assert execute(url, "select current_user::text, current_setting('work_mem')") == [(ANALYST, "64MB")]


def test_a_user_who_may_not_set_the_password_is_told_what_to_ask_for(platform: Pipeline, endpoints: Endpoints) -> None:
    execute(endpoints.warehouse_url, "create role no_maker login password 'secret'")
    execute(endpoints.warehouse_url, "grant audotics_loader, audotics_transformer, audotics_service to no_maker")
    execute(platform.warehouse_url, "grant select on audotics_migrations to no_maker")
    theirs = f"postgresql://no_maker:secret@{platform.warehouse_url.rpartition('@')[2]}"
    done = replace(platform, warehouse_url=theirs).run("analyst-url", "--rotate")
    assert done.returncode == 1
    assert f"GRANT {ANALYST} TO no_maker WITH ADMIN OPTION" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_embedded_server_lets_analysts_in_as_well(fresh_home: Settings) -> None:
    url = analyst_url(Pipeline("", "", fresh_home.home))
    assert urlsplit(url).hostname == "127.0.0.1"
    assert execute(url, "select current_user::text, current_database()::text") == [(ANALYST, "audotics")]
