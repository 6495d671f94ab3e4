"""kill -9 in the middle of a run, and again, and again: the rerun ends where an undisturbed run ends."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
import redis
from pipeline_process import Pipeline

from assets.ingest.sample_world import SampleWorld, generate
from serving_api.contract import release_key_pattern

UNTIL = date(2026, 6, 1)
AS_OF = (UNTIL - timedelta(days=14)).isoformat()
WORLD = SampleWorld(until=UNTIL, users=200, tracks=400, listens=12_000, days=120)
DEADLINE_SECONDS = 200.0


def prepared(name: str, redis_url: str, folder: Path, new_warehouse: Callable[[], str]) -> Pipeline:
    made = Pipeline(new_warehouse(), redis_url, folder / name)
    generate(made.home / "landing" / "lastfm-1k" / "world", WORLD)
    return made


def kill_when(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """SIGKILL the process and all it started as soon as the condition holds; it must still be at work then."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert process.poll() is None, "the run ended before the moment it was to be killed in"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def statement_is_running(made: Pipeline, pattern: str) -> bool:
    return bool(
        made.query(
            "select 1 from pg_stat_activity where datname = current_database() and state <> 'idle'"
            f" and pid <> pg_backend_pid() and query ilike '{pattern}'"
        )
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_killed_in_load_dbt_features_and_release_ends_as_an_undisturbed_one(
    session_folder: Path, redis_url: str, module_redis_url: str, new_warehouse: Callable[[], str]
) -> None:
    undisturbed = prepared("undisturbed", redis_url, session_folder, new_warehouse)
    undisturbed.json("run", "--as-of", AS_OF)

    killed = prepared("killed", module_redis_url, session_folder, new_warehouse)
    with redis.Redis.from_url(killed.redis_url) as client:
        kill_when(
            killed.start("run", "--as-of", AS_OF), lambda: statement_is_running(killed, "%insert into raw.listens%")
        )
        assert killed.query("select count(*) from raw.listens") == [(0,)]

        kill_when(
            killed.start("run", "--as-of", AS_OF), lambda: statement_is_running(killed, "%create%core%fct_listens%")
        )
        assert client.dbsize() == 0

        kill_when(
            killed.start("run", "--as-of", AS_OF), lambda: statement_is_running(killed, "%create%features%feat_%")
        )
        assert client.dbsize() == 0

        kill_when(killed.start("run", "--as-of", AS_OF), lambda: any(client.scan_iter(release_key_pattern("*"))))
        assert client.get("audotics:live") is None

    killed.json("run", "--as-of", AS_OF)
    assert killed.table_checksums() == undisturbed.table_checksums()
    assert killed.redis_contents() == undisturbed.redis_contents()
