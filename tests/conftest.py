"""Real servers for the tests: one embedded PostgreSQL and one embedded Redis for all workers of a session."""

import gc
import os
import random
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from shared_servers import SharedServers, start

from tests.planted_table import write_planted
from tests.repository import ROOT
from warehouse.local.servers import Endpoints, stop
from warehouse.settings import Settings

# Workers share the cores: a thread that waits for another in a loop takes them from a worker that has work. Read when
# the libraries load, and passed on to every process that a test starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_FOLDER = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests of each, in random order")


def pytest_configure(config: pytest.Config) -> None:
    of_controller = getattr(config, "workerinput", {}).get("folder")
    config.stash[_FOLDER] = Path(of_controller or tempfile.mkdtemp(prefix="audotics-tests-"))
    # Other system users may enter it, as PostgreSQL must when the tests run as root.
    config.stash[_FOLDER].chmod(0o755)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the controller put the session's folder."""
    node.workerinput["folder"] = str(node.config.stash[_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers of the session, if any test asked for them, once all workers are done."""
    if not hasattr(config, "workerinput"):
        stop(Settings(home=config.stash[_FOLDER] / "home"))
        shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


# What takes longest starts first, so that no worker waits for it at the end: of the files of the pipeline one, which
# makes what the others copy.
_FIRST = ("test_pipeline_lists", "test_build_bookkeeping", "test_staleness", "test_pipeline", "test_poison")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--shuffle")
    if seed is None:
        items.sort(key=_turn)
    else:
        _shuffle(items, random.Random(seed))


def pytest_collection_finish() -> None:
    # What was loaded stays: every full collection would go through all of it.
    gc.freeze()


def _turn(item: pytest.Item) -> int:
    return next((turn for turn, name in enumerate(_FIRST) if item.path.name.startswith(name)), len(_FIRST))


def _shuffle(items: list[pytest.Item], drawn: random.Random) -> None:
    """Bring the files into another order, and the tests within each."""
    files = sorted({item.path for item in items})
    drawn.shuffle(files)
    drawn.shuffle(items)
    items.sort(key=lambda item: files.index(item.path))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    write_planted(terminalreporter)


@pytest.fixture(scope="session")
def session_folder(request: pytest.FixtureRequest, worker_id: str) -> Path:
    """A folder of this worker that other system users may enter."""
    folder = request.config.stash[_FOLDER] / worker_id
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_environment(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the developer's own settings, and with them their servers and data, out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AUDOTICS_", "DBT_", "PG"))]:
            patch.delenv(name)
        patch.setenv("AUDOTICS_HOME", str(request.config.stash[_FOLDER] / "home"))
        patch.setenv("AUDOTICS_THREADS", "1")
        patch.setenv("TESTS_FOLDER", str(request.config.stash[_FOLDER]))
        patch.setenv("GX_ANALYTICS_ENABLED", "false")
        patch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
        yield


@pytest.fixture(scope="session")
def settings(own_environment: None) -> Settings:
    """Settings of the home under which the session's servers run."""
    return Settings()


@pytest.fixture
def fresh_home(session_folder: Path) -> Iterator[Settings]:
    """Settings of a home that does not exist yet; whatever runs under it at the end is stopped."""
    settings = Settings(home=session_folder / f"home-{secrets.token_hex(4)}")
    yield settings
    stop(settings)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest, settings: Settings) -> SharedServers:
    """The session's PostgreSQL and Redis, and what is made on them once for all workers."""
    return start(settings, request.config.stash[_FOLDER])


@pytest.fixture(scope="session")
def endpoints(servers: SharedServers) -> Endpoints:
    """The session's PostgreSQL and Redis."""
    return servers.endpoints


@pytest.fixture(scope="session")
def new_warehouse(servers: SharedServers) -> Callable[[], str]:
    """A function that returns the URL of a fresh migrated warehouse, for fixtures of a wider scope."""
    return lambda: servers.create(servers.migrated())


@pytest.fixture(scope="session")
def new_owned_database(servers: SharedServers) -> Callable[[], str]:
    """A function that creates a database whose owner is not a superuser but may work as every role, migrates it as that
    owner, and returns the owner's URL.
    """
    return lambda: servers.create(servers.owned(), servers.owner())


@pytest.fixture
def warehouse_url(new_warehouse: Callable[[], str], servers: SharedServers) -> Iterator[str]:
    """The URL of a fresh migrated warehouse for this test alone."""
    url = new_warehouse()
    yield url
    servers.drop(url)


@pytest.fixture
def empty_database_url(servers: SharedServers) -> Iterator[str]:
    """The URL of a fresh database without any table, for tests of the migrations themselves."""
    # The roles belong to the whole server: made before, several may be migrated at once.
    servers.migrated()
    url = servers.create()
    yield url
    servers.drop(url)


@pytest.fixture(scope="session")
def worker_redis_url(servers: SharedServers) -> Iterator[str]:
    """A database of the session's Redis for this worker."""
    with servers.redis() as url:
        yield url


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """A database of the session's Redis, or of the module's own where it is marked `own_redis`, emptied before."""
    own = request.node.get_closest_marker("own_redis") is not None
    url = str(request.getfixturevalue("own_redis_url" if own else "worker_redis_url"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="module")
def module_redis_url(servers: SharedServers) -> Iterator[str]:
    """A database of the session's Redis for this module, empty at first."""
    with servers.redis() as url:
        yield url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real listening logs, for tests marked `realdata`."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of files made after what real people reported, for tests marked `realdata`."""
    return _shared("cases")


def _shared(name: str) -> Path:
    folder = ROOT.parent / "shared" / name
    if not folder.is_dir():
        message = f"no real data in {folder}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
