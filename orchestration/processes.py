"""Long-running children of `up` and `demo`: started, waited for over HTTP, stopped with everything they started."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from warehouse.errors import AudoticsError
from warehouse.local.server import port_is_free

_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.2


def require_free_port(port: int, option: str) -> None:
    """Raise AudoticsError when something listens on a loopback port already."""
    if not port_is_free(port):
        raise AudoticsError(
            f"port {port} of 127.0.0.1 is taken: stop what listens there, or choose another with {option}"
        )


class Child:
    """A child process in a process group of its own, its output in a log file; stopped when the block ends."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self.log = log

    def __enter__(self) -> "Child":
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            # Ctrl-C reaches only the parent, which then stops its children in order.
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stop in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, stop)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
                break
        # What the child started and left behind is in its group still.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Of the running child."""
        return self._process.pid

    def require_alive(self) -> None:
        """Raise AudoticsError, with the end of its log, when the child has ended."""
        if self._process.poll() is not None:
            lines = self.log.read_text(errors="replace").strip().splitlines()
            last = lines[-1] if lines else "it printed nothing"
            raise AudoticsError(
                f"{self.name} ended with exit code {self._process.returncode}: {last} (log: {self.log})"
            )

    def wait_for(self, url: str, seconds: float) -> None:
        """Wait until a URL answers with success.

        Raises:
            AudoticsError: the child ended, or the URL did not answer in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.require_alive()
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(url, timeout=2).close()
                return
            time.sleep(_POLL_SECONDS)
        raise AudoticsError(f"{self.name} did not answer at {url} within {seconds:.0f} s (log: {self.log})")
