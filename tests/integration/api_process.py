"""The read API as a process of its own, and what it logs."""

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.repository import ROOT
from warehouse.local.server import any_free_port

START_SECONDS = 60.0


@dataclass(frozen=True)
class ApiProcess:
    """The process, its address, and the file that its standard error goes to."""

    process: subprocess.Popen[bytes]
    url: str
    errors: Path

    def lines(self) -> list[dict[str, Any]]:
        """What is logged so far; each line must be JSON."""
        return [orjson.loads(line) for line in self.errors.read_bytes().splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        """Of these the lines of requests."""
        return [line for line in self.lines() if "route" in line]

    def end(self) -> None:
        """Ask it to end, and wait until it has."""
        self.process.terminate()
        assert self.process.wait(60) is not None


@contextmanager
def api_process(
    redis_url: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = ("-m", "serving_api"),
    certificate: Path | None = None,
    port: int | None = None,
) -> Iterator[ApiProcess]:
    """The API, answering; `{port}` in a command is its port. With a certificate, it is one of https that it shows.

    port: a free one unless told.
    """
    port, errors = port or any_free_port(), folder / "errors.log"
    own = {"AUDOTICS_REDIS_URL": redis_url, "AUDOTICS_API_PORT": str(port), "AUDOTICS_API_AUTH": "off"}
    own |= environment or {}
    url = f"http{'s' if certificate else ''}://127.0.0.1:{port}"
    trusted: ssl.SSLContext | bool = ssl.create_default_context(cafile=certificate) if certificate else True
    with errors.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *(part.replace("{port}", str(port)) for part in command)],
            cwd=ROOT,
            env=os.environ | own,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )
        try:
            _wait_for(f"{url}/livez", process, trusted)
            yield ApiProcess(process, url, errors)
        finally:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], trusted: ssl.SSLContext | bool) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the API ended"
        try:
            if httpx.get(url, timeout=5, verify=trusted).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError(f"{url} did not answer")
