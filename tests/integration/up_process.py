"""`audotics up` as a process, and what its test leaves running."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pipeline_process import AUDOTICS

from warehouse.local.servers import stop
from warehouse.settings import Settings

START_SECONDS = 120.0


def free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


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


def until(what: Callable[[], Any], holds: Callable[[Any], bool], seconds: float = 240.0) -> Any:
    """What is found, as soon as it holds of it."""
    deadline = time.monotonic() + seconds
    while not holds(found := what()):
        assert time.monotonic() < deadline, found
        time.sleep(1)
    return found


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


@contextmanager
def nothing_left(settings: Settings) -> Iterator[Path]:
    """The home of the settings; what a failing test leaves running in it is ended."""
    try:
        yield settings.home
    finally:
        stop(settings)
        for process in processes_of(settings.home):
            with suppress(psutil.NoSuchProcess):
                process.kill()


@dataclass(frozen=True)
class Up:
    """`audotics up`, answering; `query` asks Dagster."""

    process: subprocess.Popen[str]
    ui: str
    api: str
    docs: str

    def query(self, query: str) -> Any:
        answer = httpx.post(f"{self.ui}/graphql", json={"query": query}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def stop(self) -> tuple[str, str]:
        """Press Ctrl-C, and return what it printed."""
        self.process.send_signal(signal.SIGINT)
        output, errors = self.process.communicate(timeout=90)
        assert self.process.returncode == 0, errors
        return output, errors


@contextmanager
def running(home: Path) -> Iterator[Up]:
    ports = dict(zip(("ui", "api", "docs"), free_ports(3), strict=True))
    environment = {**os.environ, "AUDOTICS_HOME": str(home), "COLUMNS": "200"}
    command = [str(AUDOTICS), "up", *(part for name, port in ports.items() for part in (f"--{name}-port", str(port)))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        up = Up(process, **{name: f"http://127.0.0.1:{port}" for name, port in ports.items()})
        try:
            wait_for(f"{up.ui}/server_info", process)
            wait_for(f"{up.api}/livez", process)
            yield up
        finally:
            process.kill()
