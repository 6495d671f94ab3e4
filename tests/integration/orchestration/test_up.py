"""`audotics up`: servers, Dagster and the read API come up together and go down together."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from pipeline_process import AUDOTICS

from warehouse.local.servers import stop
from warehouse.settings import Settings

START_SECONDS = 120.0


def free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    pytest.fail(f"{url} did not answer")


def processes_of(home: Path) -> dict[psutil.Process, str]:
    """Processes that know the home by argument, working folder or environment, this one aside."""
    found = {}
    for process in psutil.process_iter():
        try:
            told = " ".join([*process.cmdline(), process.cwd(), *process.environ().values()])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if str(home) in told and process.pid != os.getpid():
            found[process] = told[:200]
    return found


@pytest.fixture
def home(fresh_home: Settings) -> Iterator[Path]:
    """A home that does not exist yet; what a failing test leaves running in it is ended."""
    yield fresh_home.home
    stop(fresh_home)
    for process in processes_of(fresh_home.home):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_up_brings_everything_up_and_an_interrupt_brings_everything_down(home: Path) -> None:
    ui_port, api_port = free_ports()
    environment = {**os.environ, "AUDOTICS_HOME": str(home), "COLUMNS": "200"}
    command = [str(AUDOTICS), "up", "--ui-port", str(ui_port), "--api-port", str(api_port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(f"http://127.0.0.1:{ui_port}/server_info", process)
        wait_for(f"http://127.0.0.1:{api_port}/livez", process)
        asked = "jobs{name} schedules{name} sensors{name sensorState{status}}"
        query = f"{{repositoriesOrError{{... on RepositoryConnection{{nodes{{{asked}}}}}}}}}"
        answer = httpx.post(f"http://127.0.0.1:{ui_port}/graphql", json={"query": query}, timeout=60).json()
        (location,) = answer["data"]["repositoriesOrError"]["nodes"]
        jobs = {job["name"] for job in location["jobs"]}
        assert {"nightly", "training", "training_and_release", "evaluation", "landing"} <= jobs
        assert len(location["schedules"]) == 4
        assert location["sensors"] == [{"name": "landing_sensor", "sensorState": {"status": "RUNNING"}}]
        assert httpx.get(f"http://127.0.0.1:{api_port}/readyz").status_code == 503
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert f"http://127.0.0.1:{ui_port}" in output
    assert processes_of(home) == {}
