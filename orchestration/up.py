"""`audotics up`: servers, Dagster UI and daemon, read API, Data Docs, until Ctrl-C."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from types import FrameType

from orchestration.instance import dagster_environment, stop_unless_used
from orchestration.platform import Platform, open_platform
from orchestration.processes import Child, require_free_port
from quality.data_docs import FOLDER as DATA_DOCS
from warehouse.errors import AudoticsError

_WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Ports:
    """Where on loopback: the Dagster UI, the read API, the Data Docs."""

    ui: int
    api: int
    docs: int

    def require_free(self) -> None:
        """Raise AudoticsError where two are one, or one is taken."""
        options = {f"--{name}-port": port for name, port in asdict(self).items()}
        for (option, port), (other, same) in combinations(options.items(), 2):
            if port == same:
                raise AudoticsError(f"{option} and {other} are both {port}; give different ports")
        for option, port in options.items():
            require_free_port(port, option)


def run_until_interrupted(ports: Ports, say: Callable[[str], None]) -> None:
    """Run everything until Ctrl-C or SIGTERM, then stop everything, the embedded servers last. Says what is where.

    The servers stay up when a run of another command works on them.

    Raises:
        AudoticsError: the ports are one or taken, or a process ended or did not start.
    """
    ports.require_free()
    platform = open_platform()
    for interruption in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interruption, _interrupt)
    try:
        with ExitStack() as stack:
            try:
                _run(stack, platform, ports, say)
            except KeyboardInterrupt:
                say("stopping ...")
    finally:
        stop_unless_used(platform.settings, say)


def _run(stack: ExitStack, platform: Platform, ports: Ports, say: Callable[[str], None]) -> None:
    say("starting the Dagster UI and the read API ...")
    children = [
        stack.enter_context(dagster_child(platform, ports.ui, f"http://127.0.0.1:{ports.docs}")),
        stack.enter_context(api_child(platform, ports.api, os.environ.get("AUDOTICS_API_AUTH") or "off")),
        stack.enter_context(_docs_child(platform, ports.docs)),
    ]
    children[0].wait_for(f"http://127.0.0.1:{ports.ui}/server_info", _START_SECONDS)
    children[1].wait_for(f"http://127.0.0.1:{ports.api}/livez", _START_SECONDS)
    say(f"Dagster UI   http://127.0.0.1:{ports.ui}")
    say(f"read API     http://127.0.0.1:{ports.api}/docs")
    say(f"its metrics  http://127.0.0.1:{ports.api}/metrics")
    say(f"Data Docs    http://127.0.0.1:{ports.docs}")
    say(f"logs         {platform.settings.home / 'logs'}")
    say("Ctrl-C stops everything.")
    while True:
        time.sleep(1)
        for child in children:
            child.require_alive()


def dagster_child(platform: Platform, port: int, data_docs_url: str | None = None) -> Child:
    """The Dagster webserver, daemon and code location; where no setting says, its checks link to data_docs_url."""
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(_WORKSPACE), "-h", "127.0.0.1", "-p", str(port)]
    environment = {
        **dagster_environment(platform.settings, platform.warehouse_url),
        "AUDOTICS_HOME": str(platform.settings.home),
    }
    if data_docs_url is not None and not os.environ.get("AUDOTICS_DATA_DOCS_URL"):
        environment["AUDOTICS_DATA_DOCS_URL"] = data_docs_url
    return Child("the Dagster UI", command, environment, platform.settings.home / "logs" / "dagster.log")


def api_child(platform: Platform, port: int, auth: str = "off") -> Child:
    """The read API, which needs to know Redis only; off means that it asks nobody who they are, on loopback."""
    environment = {"AUDOTICS_REDIS_URL": platform.redis_url, "AUDOTICS_API_PORT": str(port), "AUDOTICS_API_AUTH": auth}
    command = [sys.executable, "-m", "serving_api"]
    return Child("the read API", command, environment, platform.settings.home / "logs" / "api.log")


def _docs_child(platform: Platform, port: int) -> Child:
    """What Great Expectations observed, run by run, as files."""
    folder = platform.settings.home / DATA_DOCS
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    return Child("the Data Docs", command, {}, platform.settings.home / "logs" / "data_docs.log")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
