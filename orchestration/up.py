"""`audotics up`: servers, Dagster UI and daemon, read API, until Ctrl-C."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from orchestration.instance import dagster_environment, stop_unless_used
from orchestration.platform import Platform, open_platform
from orchestration.processes import Child, require_free_port
from warehouse.errors import AudoticsError

_WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
_START_SECONDS = 120.0


def run_until_interrupted(ui_port: int, api_port: int, say: Callable[[str], None]) -> None:
    """Run everything until Ctrl-C or SIGTERM, then stop everything, the embedded servers last. Says what is where.

    The servers stay up when a run of another command works on them.

    Raises:
        AudoticsError: the ports are one or taken, or a process ended or did not start.
    """
    if ui_port == api_port:
        raise AudoticsError(f"--ui-port and --api-port are both {ui_port}; give two different ports")
    require_free_port(ui_port, "--ui-port")
    require_free_port(api_port, "--api-port")
    platform = open_platform()
    for interruption in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interruption, _interrupt)
    try:
        with ExitStack() as stack:
            try:
                _run(stack, platform, ui_port, api_port, say)
            except KeyboardInterrupt:
                say("stopping ...")
    finally:
        stop_unless_used(platform.settings, say)


def _run(stack: ExitStack, platform: Platform, ui_port: int, api_port: int, say: Callable[[str], None]) -> None:
    say("starting the Dagster UI and the read API ...")
    children = [
        stack.enter_context(dagster_child(platform, ui_port)),
        stack.enter_context(api_child(platform, api_port, os.environ.get("AUDOTICS_API_AUTH") or "off")),
    ]
    children[0].wait_for(f"http://127.0.0.1:{ui_port}/server_info", _START_SECONDS)
    children[1].wait_for(f"http://127.0.0.1:{api_port}/livez", _START_SECONDS)
    say(f"Dagster UI   http://127.0.0.1:{ui_port}")
    say(f"read API     http://127.0.0.1:{api_port}/docs")
    say(f"its metrics  http://127.0.0.1:{api_port}/metrics")
    say(f"logs         {platform.settings.home / 'logs'}")
    say("Ctrl-C stops everything.")
    while True:
        time.sleep(1)
        for child in children:
            child.require_alive()


def dagster_child(platform: Platform, port: int) -> Child:
    """The Dagster webserver, daemon and code location."""
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(_WORKSPACE), "-h", "127.0.0.1", "-p", str(port)]
    environment = {
        **dagster_environment(platform.settings, platform.warehouse_url),
        "AUDOTICS_HOME": str(platform.settings.home),
    }
    return Child("the Dagster UI", command, environment, platform.settings.home / "logs" / "dagster.log")


def api_child(platform: Platform, port: int, auth: str = "off") -> Child:
    """The read API, which needs to know Redis only; off means that it asks nobody who they are, on loopback."""
    environment = {"AUDOTICS_REDIS_URL": platform.redis_url, "AUDOTICS_API_PORT": str(port), "AUDOTICS_API_AUTH": auth}
    command = [sys.executable, "-m", "serving_api"]
    return Child("the read API", command, environment, platform.settings.home / "logs" / "api.log")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
