"""What the read API serves a second, beside a route of the same process that does nothing, and what publishing costs.

A release of made-up lists is published to a Redis of its own, and one process of the API answers wrk, a program that
Debian packages. The routes take turns, so that all meet the same machine; medians of their rounds are printed.

    python -m benchmarks.serving
    python -m benchmarks.serving --feast FOLDER                 Feast's server with the same lists in the same run
    python -m benchmarks.serving --users 1000000 --rounds 0     only what publishing costs
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.feast_peer import FEAST_BODY, feast_server
from benchmarks.made_up import LENGTH, SLATES
from benchmarks.pipeline import own_home
from benchmarks.publishing import measure_publish
from orchestration.cli.rendering import print_json, print_table, say
from orchestration.platform import Platform
from orchestration.up import api_child
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import Scope
from warehouse.local.server import any_free_port

CONNECTIONS = 16
NO_OP = "/livez"


@dataclass(frozen=True)
class Request:
    """What wrk sends; {} stands for the number of a user."""

    path: str
    body: str = ""
    url: str | None = None
    """Who is asked; the read API without."""


ROUTES = {
    "no-op": Request(NO_OP),
    "personal, 20 items": Request("/v1/users/user_{}/recommendations?limit=20"),
    "personal, 100 items": Request("/v1/users/user_{}/recommendations?limit=100"),
    "unknown user": Request("/v1/users/nobody_{}/recommendations?limit=20"),
    "popular": Request("/v1/popular?limit=20"),
}
# Of each thread the numbers of users are drawn by wrk itself; what was answered otherwise than with 200 is counted.
SCRIPT = """
local method, path, body, users = "{method}", "{path}", '{body}', {users}
wrk.headers["Authorization"] = "Bearer {secret}"
wrk.headers["Content-Type"] = "application/json"
request = function()
  local user = tostring(math.random(0, users - 1))
  return wrk.format(method, (path:gsub("{{}}", user)), nil, body ~= "" and (body:gsub("{{}}", user)) or nil)
end
done = function(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format('JSON {{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "failed": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
"""


@dataclass(frozen=True)
class Served:
    """Medians over the rounds of one route; `of_no_op` is the median of its share of the no-op's requests a second."""

    route: str
    requests_per_second: float
    of_no_op: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Memory:
    """Resident memory of the process before, halfway through and after so many requests."""

    requests: int
    before_mb: float
    halfway_mb: float
    after_mb: float


def ask(url: str, request: Request, users: int, seconds: int, secret: str) -> dict[str, float]:
    """What wrk reports of one round."""
    method = "POST" if request.body else "GET"
    filled = SCRIPT.format(method=method, path=request.path, body=request.body, users=users, secret=secret)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(filled)
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script.name, request.url or url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(said.split("JSON ")[1])
    return found


def measure_api(
    platform: Platform, users: int, rounds: int, seconds: int, feast: Path | None
) -> tuple[list[Served], Memory, float]:
    """The routes in turn, `rounds` times `seconds` seconds each, after one round that counts for nothing.

    Callers have a key, are counted for its limit, and every request is logged and measured, as in service. With a
    folder for `feast`, its server takes turns with them, which asks nobody who they are, and logs nothing. Last,
    how many times as many requests two processes answer as one.
    """
    port = any_free_port()
    url = f"http://127.0.0.1:{port}"
    # Of a limit that lets everything through, each request is counted all the same.
    os.environ["AUDOTICS_API_RATE_LIMIT"] = "1000000000/minute"
    with platform.redis() as client:
        secret = create_key(client, "benchmark", [Scope.LISTS_READ, Scope.CATALOGUE_READ], None).secret
    routes = dict(ROUTES)
    with ExitStack() as running:
        api = running.enter_context(api_child(platform, port, "keys"))
        api.wait_for(f"{url}/readyz", 60)
        if feast is not None:
            client = running.enter_context(platform.redis())
            peer = running.enter_context(feast_server(feast, client, url, secret, users))
            routes["Feast, 20 items"] = Request("/get-online-features", FEAST_BODY, peer)
        for request in routes.values():
            ask(url, request, users, 2, secret)
        resident = [psutil.Process(api.pid).memory_info().rss / 2**20]
        found: dict[str, list[dict[str, float]]] = {route: [] for route in routes}
        for _ in range(rounds):
            for route, request in routes.items():
                found[route].append(ask(url, request, users, seconds, secret))
            resident.append(psutil.Process(api.pid).memory_info().rss / 2**20)
        other = any_free_port()
        running.enter_context(api_child(platform, other, "keys")).wait_for(f"http://127.0.0.1:{other}/readyz", 60)
        times = times_one_process([url, f"http://127.0.0.1:{other}"], rounds, seconds, users, secret)
    requests = int(sum(each["requests"] for route in ROUTES for each in found[route]))
    memory = Memory(requests, resident[0], resident[len(resident) // 2], resident[-1])
    rates = {route: [_rate(each) for each in found[route]] for route in routes}
    served = [
        Served(
            route,
            median(rates[route]),
            median(rate / no_op for rate, no_op in zip(rates[route], rates["no-op"], strict=True)),
            median(each["p50"] for each in found[route]) / 1000,
            median(each["p99"] for each in found[route]) / 1000,
            int(sum(each["failed"] for each in found[route])),
        )
        for route in routes
    ]
    return served, memory, times


def times_one_process(urls: list[str], rounds: int, seconds: int, users: int, secret: str) -> float:
    """Personal lists a second from all processes at once, each asked by a wrk of its own, over those from the first."""
    asked = partial(ask, request=ROUTES["personal, 20 items"], users=users, seconds=seconds, secret=secret)
    ratios = []
    with ThreadPoolExecutor(len(urls)) as pool:
        list(pool.map(asked, urls))
        for _ in range(rounds):
            one, all_of_them = (sum(map(_rate, pool.map(asked, some))) for some in (urls[:1], urls))
            ratios.append(all_of_them / one)
    return median(ratios)


def _rate(answered: dict[str, float]) -> float:
    """Requests a second of one round."""
    return answered["requests"] / answered["microseconds"] * 1e6


def main() -> None:
    """Two tables, or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5, help="Rounds of requests; none with 0.")
    parser.add_argument("--seconds", type=int, default=5, help="Seconds of a round for each route.")
    parser.add_argument("--feast", type=Path, help="Where Feast is installed, if it is not yet, and kept.")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.rounds and shutil.which("wrk") is None:
        parser.error("there is no wrk here; install Debian's package wrk")
    with own_home() as platform:
        with platform.redis() as client:
            published = measure_publish(client, chosen.users, chosen.tracks)
        measured = (
            measure_api(platform, chosen.users, chosen.rounds, chosen.seconds, chosen.feast) if chosen.rounds else None
        )
    if chosen.json:
        found: dict[str, Any] = {"published": asdict(published), "served": None}
        if measured is not None:
            served, memory, times = measured
            found |= {"served": [*map(asdict, served)], "memory": asdict(memory), "two_processes_over_one": times}
        print_json(found)
        return
    say(
        f"published {published.users:,} users x {len(SLATES)} slates x {LENGTH} tracks in {published.seconds:.1f} s"
        f" ({published.making_up_seconds:.1f} s to make the lists up, {published.load_seconds:.1f} s to load them);"
        f" bare SETs {published.bare_seconds:.1f} s, so publishing is {published.bare_seconds / published.seconds:.0%}"
        f" as fast, loading alone {published.bare_seconds / published.load_seconds:.0%};"
        f" {published.bytes_per_list:,.0f} bytes in Redis per user and slate;"
        f" memory of the publisher {published.peak_mb:,.0f} MB"
    )
    if measured is not None:
        _tell(*measured)


def _tell(served: list[Served], memory: Memory, times: float) -> None:
    say(
        f"memory of the API {memory.before_mb:,.0f} MB; {memory.halfway_mb:,.0f} halfway,"
        f" {memory.after_mb:,.0f} after {memory.requests:,} requests"
    )
    say(f"two processes, each with {CONNECTIONS} connections: {times:.2f} times the requests of one")
    print_table(
        f"read API, one process, {CONNECTIONS} connections",
        ("route", "requests/s", "of the no-op", "p50 ms", "p99 ms", "failed"),
        [
            (
                each.route,
                f"{each.requests_per_second:,.0f}",
                f"{each.of_no_op:.0%}",
                f"{each.p50_ms:.2f}",
                f"{each.p99_ms:.2f}",
                each.failed,
            )
            for each in served
        ],
    )


if __name__ == "__main__":
    main()
