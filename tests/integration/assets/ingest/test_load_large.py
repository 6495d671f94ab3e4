"""A large file whose load is killed, doubled, and robbed of its disk or its server. LARGE_LOAD_ROWS sets its size."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loading import empty_raw_tables, query

from assets.ingest.lastfm_1k import LISTENS_NAME
from benchmarks import ingest
from tests.repository import ROOT
from warehouse.local.servers import ensure_running, stop
from warehouse.migrate import upgrade
from warehouse.settings import Settings

pytestmark = pytest.mark.slow

ROWS = int(os.environ.get("LARGE_LOAD_ROWS", "200000"))
# Without the times of the load, a digest of all rows.
DIGEST = """
SELECT count(*), sum(hashtextextended((t.*)::text, 0)) FROM (SELECT {columns} FROM raw.{table}) AS t
"""
COLUMNS = {
    "users": "user_key, user_id, listener_key, file_id",
    "artists": "*",
    "tracks": "*",
    "listens": "user_key, track_key, listened_at, ms_played, skipped, source, file_id",
    "duplicate_listens": "*",
    "rejected_listens": "*",
    "track_mentions": "*",
    "user_mentions": "*",
    "listen_days": "*",
    "ingest_files": "file_id, sha256, format, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out",
}
LOADER = """
import sys
from pathlib import Path
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from warehouse.errors import AudoticsError

def report(progress):
    print(progress.stage, flush=True)

try:
    (report,) = load_files(sys.argv[1], LastFm1k(), [Path(sys.argv[2])], report)
except AudoticsError as error:
    sys.exit(str(error))
print(report.already_loaded)
"""


def digest(url: str) -> dict[str, tuple]:
    return {name: query(url, DIGEST.format(table=name, columns=columns))[0] for name, columns in COLUMNS.items()}


@contextlib.contextmanager
def loading(url: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that loads a file."""
    with subprocess.Popen(
        [sys.executable, "-c", LOADER, url, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def load(url: str, path: Path) -> str:
    """Load in another process and return what it prints: whether the file was loaded already."""
    with loading(url, path) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    return out.splitlines()[-1]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    path = ingest.write(folder, ingest.FORMATS["lastfm-1k"], ROWS)
    assert path.name == LISTENS_NAME
    return path


@pytest.fixture(scope="module")
def undisturbed(large: Path, new_warehouse: Callable[[], str]) -> tuple[dict[str, tuple], float]:
    """What a load that nothing disturbs leaves, and its seconds."""
    url, started = new_warehouse(), time.monotonic()
    assert load(url, large) == "False"
    return digest(url), time.monotonic() - started


def test_after_kills_at_random_moments_the_next_load_is_whole(
    warehouse_url: str, large: Path, undisturbed: tuple[dict[str, tuple], float]
) -> None:
    whole, seconds = undisturbed
    empty, moments = digest(warehouse_url), random.Random(5)
    found = []
    for _ in range(5):
        with loading(warehouse_url, large) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0.1, 0.8) * seconds)
            process.send_signal(signal.SIGKILL)
        # A load that was over by then has its turn again below.
        assert process.returncode in (-signal.SIGKILL, 0)
        until_nobody_else(warehouse_url)
        found.append(digest(warehouse_url))
        if found[-1] != empty:
            # It came after the commit.
            assert found[-1] == whole
            empty_raw_tables(warehouse_url)
    assert empty in found
    assert load(warehouse_url, large) == "False"
    assert digest(warehouse_url) == whole


def until_nobody_else(url: str) -> None:
    """Wait until the server has noticed that the sessions of killed processes are gone."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 60
    while query(url, others) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_of_two_processes_with_one_file_one_loads_it(
    warehouse_url: str, large: Path, undisturbed: tuple[dict[str, tuple], float]
) -> None:
    with loading(warehouse_url, large) as first, loading(warehouse_url, large) as second:
        said = sorted(process.communicate()[0].splitlines()[-1] for process in (first, second))
    assert said == ["False", "True"]
    assert digest(warehouse_url) == undisturbed[0]


@pytest.fixture
def own_server(session_folder: Path) -> Iterator[Settings]:
    """Servers of this test's own, on a small disk."""
    folder = session_folder / "disk"
    folder.mkdir()
    megabytes = 260 + ROWS // 2000
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", folder], check=False
    )
    if mounted.returncode:
        pytest.skip("only who may mount can make a small disk")
    settings = Settings(home=folder / "home")
    try:
        yield settings
    finally:
        stop(settings)
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_named_and_the_next_load_is_whole(
    own_server: Settings, large: Path, undisturbed: tuple[dict[str, tuple], float]
) -> None:
    url = ensure_running(own_server).warehouse_url
    upgrade(url)
    empty = digest(url)
    ballast = own_server.home.parent / "ballast"
    free = os.statvfs(own_server.home)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - (20 << 20)))
    with loading(url, large) as process:
        _, err = process.communicate()
    assert process.returncode == 1
    # With its log on a full disk the server ends; with only its tables there, it says so.
    assert "No space left on device" in err or "`audotics doctor`" in err
    assert str(large) in err and "Traceback" not in err
    ballast.unlink()
    ensure_running(own_server)
    assert digest(url) == empty
    assert load(url, large) == "False"
    assert without_pseudonyms(digest(url)) == without_pseudonyms(undisturbed[0])


def test_a_server_restarted_in_the_middle_is_named_and_the_next_load_is_whole(
    session_folder: Path, large: Path, undisturbed: tuple[dict[str, tuple], float]
) -> None:
    settings = Settings(home=session_folder / "restarted-under-a-load")
    try:
        url = ensure_running(settings).warehouse_url
        upgrade(url)
        empty = digest(url)
        with loading(url, large) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "reading\n"
            stop(settings)
            url = ensure_running(settings).warehouse_url
            _, err = process.communicate()
        assert process.returncode == 1
        assert str(large) in err and "`audotics doctor`" in err and "Traceback" not in err
        assert digest(url) == empty
        assert load(url, large) == "False"
        assert without_pseudonyms(digest(url)) == without_pseudonyms(undisturbed[0])
    finally:
        stop(settings)


def without_pseudonyms(state: dict[str, tuple]) -> dict[str, tuple]:
    """Leave out what depends on the warehouse's own secret."""
    return {name: found for name, found in state.items() if name != "users"} | {"users": state["users"][:1]}
