"""Loads that are killed, and the load after that."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from loading import query, state_of

from assets.ingest import lines
from assets.ingest.lastfm_1k import LISTENS_NAME, LastFm1k
from assets.ingest.load import load_files
from assets.ingest.sample_world import SampleWorld, generate
from tests.repository import ROOT

pytestmark = pytest.mark.slow

LOADER = """
import sys
from pathlib import Path
from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files

url, folder, moment, then = sys.argv[1:]

def report(progress):
    if f"{progress.stage} {progress.done:.1f}".startswith(moment):
        print("here", flush=True)
        if then == "wait":
            sys.stdin.read()

load_files(url, LastFm1k(), [Path(folder)], report)
"""


def _kill_at(url: str, folder: Path, moment: str, then: str) -> None:
    """Load in another process and kill it at a point of its progress: while it waits there, or as it goes on."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOADER, url, str(folder), moment, then],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample world of several read blocks."""
    folder = tmp_path_factory.mktemp("world")
    generate(folder, SampleWorld(users=200, tracks=1500, listens=100_000, until=date(2026, 11, 22)))
    assert (folder / LISTENS_NAME).stat().st_size > lines.BLOCK_BYTES
    return folder


@pytest.fixture(scope="module")
def undisturbed(world: Path, new_warehouse: Callable[[], str]) -> dict[str, tuple[int, str]]:
    """What the warehouse holds after a load of that world that nothing disturbs."""
    url = new_warehouse()
    load_files(url, LastFm1k(), [world])
    return state_of(url)


@pytest.mark.parametrize(
    ("moment", "then"),
    [
        ("reading 0.", "go on"),
        ("reading 1.0", "wait"),
        # The next statement inserts the listens: the kill comes in the middle of it.
        ("writing 0.8", "go on"),
        ("writing 0.9", "wait"),
        # Everything is written, nothing is committed.
        ("writing 1.0", "wait"),
    ],
)
def test_a_load_killed_at_any_moment_leaves_nothing_and_the_next_one_is_whole(
    warehouse_url: str, world: Path, undisturbed: dict[str, tuple[int, str]], moment: str, then: str
) -> None:
    empty = state_of(warehouse_url)
    _kill_at(warehouse_url, world, moment, then)
    assert state_of(warehouse_url) == empty
    load_files(warehouse_url, LastFm1k(), [world])
    assert state_of(warehouse_url) == undisturbed


LONG_STATEMENT = """
import sys
from assets.ingest.connection import connect
from assets.ingest.staging import lock

with connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    lock(cursor)
    print("here", flush=True)
    cursor.execute("SELECT pg_sleep(300)")
"""


def test_the_lock_of_a_load_that_was_killed_is_free_long_before_its_statement_would_end(warehouse_url: str) -> None:
    asleep = "select count(*) from pg_stat_activity where datname = current_database() and query like '%pg_sleep(300)%'"
    asleep += " and state = 'active' and pid <> pg_backend_pid()"
    command = [sys.executable, "-c", LONG_STATEMENT, warehouse_url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        deadline = time.monotonic() + 60
        while query(warehouse_url, asleep) == [(0,)]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.kill()
    while query(warehouse_url, asleep) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    here = "database = (select oid from pg_database where datname = current_database())"
    assert query(warehouse_url, f"select count(*) from pg_locks where locktype = 'advisory' and {here}") == [(0,)]
