"""Real servers for the tests: one embedded PostgreSQL and one embedded Redis for the whole session."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
from psycopg2 import sql
from xdist.scheduler import LoadFileScheduling

from warehouse.local.servers import Endpoints, ensure_running, stop
from warehouse.roles import WORKING_ROLES, Role
from warehouse.settings import Settings

pytest.register_assert_rewrite("tests.unit.assets.candidates.conformance")
# Workers share the cores: a thread that waits for another in a loop takes them from a worker that has work. Read when
# the libraries load, and passed on to every process that a test starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_REPOSITORY = Path(__file__).resolve().parent.parent
_TEMPLATE = "migrated_template"


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder that other system users may enter, as PostgreSQL must when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="audotics-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def own_environment(session_folder: Path) -> Iterator[None]:
    """Keep the developer's own AUDOTICS_ settings, and with them their servers and data, out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AUDOTICS_")]:
            patch.delenv(name)
        patch.setenv("AUDOTICS_HOME", str(session_folder / "home"))
        patch.setenv("GX_ANALYTICS_ENABLED", "false")
        patch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
        yield


@pytest.fixture(scope="session")
def settings(session_folder: Path, own_environment: None) -> Iterator[Settings]:
    """Settings of the session's home; the servers under it are stopped at the end, and only those."""
    settings = Settings(home=session_folder / "home")
    yield settings
    stop(settings)


@pytest.fixture
def fresh_home(session_folder: Path) -> Iterator[Settings]:
    """Settings of a home that does not exist yet; whatever runs under it at the end is stopped."""
    settings = Settings(home=session_folder / f"home-{secrets.token_hex(4)}")
    yield settings
    stop(settings)


@pytest.fixture(scope="session")
def endpoints(settings: Settings) -> Endpoints:
    """The session's PostgreSQL and Redis."""
    return ensure_running(settings)


@pytest.fixture(scope="session")
def new_database(endpoints: Endpoints) -> Callable[[str | None], str]:
    """A function that creates a database, copied from a template if one is named, and returns its URL.

    Databases that nobody drops go with the session's server.
    """

    def create(template: str | None = None) -> str:
        name = f"test_{secrets.token_hex(6)}"
        copied = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        _execute(endpoints, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copied)
        return _url_of(endpoints, name)

    return create


@pytest.fixture(scope="session")
def migrated_template(endpoints: Endpoints) -> str:
    """The name of a migrated, empty database from which `new_warehouse` copies."""
    import warehouse.migrate

    _execute(endpoints, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    warehouse.migrate.upgrade(_url_of(endpoints, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="session")
def new_warehouse(new_database: Callable[[str | None], str], migrated_template: str) -> Callable[[], str]:
    """A function that returns the URL of a fresh migrated warehouse, for fixtures of a wider scope."""
    return lambda: new_database(migrated_template)


@pytest.fixture(scope="session")
def new_owned_database(
    endpoints: Endpoints, new_database: Callable[[str | None], str], migrated_template: str
) -> Callable[[], str]:
    """A function that creates a database, not migrated yet, whose owner is no superuser but may work as every role, and
    returns the owner's URL.
    """
    _execute(endpoints, sql.SQL("CREATE ROLE plain_owner LOGIN CREATEROLE PASSWORD 'secret'"))
    # The template's migrations made the roles, so the administrator has to let this owner use them.
    _execute(endpoints, sql.SQL(f"GRANT {', '.join(WORKING_ROLES)} TO plain_owner"))
    _execute(endpoints, sql.SQL(f"GRANT {Role.ANALYST} TO plain_owner WITH ADMIN OPTION"))

    def create() -> str:
        url = new_database(None)
        name = sql.Identifier(url.rpartition("/")[2])
        _execute(endpoints, sql.SQL("ALTER DATABASE {} OWNER TO plain_owner").format(name))
        return f"postgresql://plain_owner:secret@{url.rpartition('@')[2]}"

    return create


@pytest.fixture
def warehouse_url(new_warehouse: Callable[[], str], endpoints: Endpoints) -> Iterator[str]:
    """The URL of a fresh migrated warehouse for this test alone."""
    url = new_warehouse()
    yield url
    _drop(endpoints, url.rpartition("/")[2])


@pytest.fixture
def empty_database_url(new_database: Callable[[str | None], str], endpoints: Endpoints) -> Iterator[str]:
    """The URL of a fresh database without any table, for tests of the migrations themselves."""
    url = new_database(None)
    yield url
    _drop(endpoints, url.rpartition("/")[2])


@pytest.fixture
def redis_url(endpoints: Endpoints) -> str:
    """The session's Redis, emptied before this test."""
    with redis.Redis.from_url(endpoints.redis_url) as client:
        client.flushall()
    return endpoints.redis_url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real listening logs, for tests marked `realdata`."""
    folder = _REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        message = f"no real data in {folder}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


def _url_of(endpoints: Endpoints, database: str) -> str:
    return f"{endpoints.warehouse_url.rpartition('/')[0]}/{database}"


def _drop(endpoints: Endpoints, database: str) -> None:
    _execute(endpoints, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def _execute(endpoints: Endpoints, statement: sql.Composable) -> None:
    connection = psycopg2.connect(endpoints.warehouse_url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


class _ByFile(LoadFileScheduling):
    """A file's tests run in one worker, which has made their fixtures; those of all test_pipeline*.py share one."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "pipeline" if Path(file).name.startswith("test_pipeline") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _ByFile(config, log)


# By far the longest: started last, they would leave the other workers idle.
_FIRST = ("test_pipeline", "test_run_killed", "test_replay")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.name.startswith(_FIRST))
