"""What the pipeline costs: seconds and peak memory per step on a sample world, and requests per second of the read API.

Runs in a home of its own, which is removed afterwards. Example:

    python -m benchmarks.pipeline --users 10000 --listens 2000000
"""

import argparse
import os
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assets.ingest.sample_world import SampleWorld, generate
from orchestration.cli.rendering import print_table, say
from orchestration.cli.reports import print_run
from orchestration.pipeline import run_evaluation, run_nightly
from orchestration.platform import Platform, open_platform
from orchestration.up import api_child
from warehouse.local.server import any_free_port
from warehouse.local.servers import stop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("--listens", type=int, default=400_000)
    parser.add_argument("--requests", type=int, default=2_000)
    chosen = parser.parse_args()
    until = datetime.now(UTC).date()
    as_of = until - timedelta(days=14)
    with own_home() as platform:
        started = time.perf_counter()
        generate(
            Path(platform.settings.landing) / "lastfm-1k" / "world",
            SampleWorld(until=until, users=chosen.users, tracks=chosen.tracks, listens=chosen.listens),
        )
        say(f"generated {chosen.listens:,} listens at {chosen.listens / (time.perf_counter() - started):,.0f}/s")
        print_run(run_nightly(platform, as_of, quietly))
        print_run(run_nightly(platform, as_of + timedelta(days=1), quietly))
        print_run(run_evaluation(platform, as_of, quietly)[0])
        measure_api(platform, chosen.requests, chosen.users)


def quietly(step: str, done: int, total: int, lines: Sequence[str]) -> None:
    """No progress: a display would take time of what is timed."""


@contextmanager
def own_home() -> Iterator[Platform]:
    """Embedded servers in a folder that other system users may enter, as PostgreSQL must when run by root."""
    for name in [name for name in os.environ if name.startswith("AUDOTICS_")]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="audotics-bench-"))
    home.chmod(0o755)
    os.environ["AUDOTICS_HOME"] = str(home)
    platform = open_platform()
    try:
        yield platform
    finally:
        stop(platform.settings)
        shutil.rmtree(home)


def measure_api(platform: Platform, requests: int, users: int) -> None:
    """One client, one request after another, over new connections."""
    port = any_free_port()
    seconds = []
    with api_child(platform, port) as api:
        api.wait_for(f"http://127.0.0.1:{port}/readyz", 60)
        for number in range(requests):
            url = f"http://127.0.0.1:{port}/v1/users/user_{number % users + 1:06d}/recommendations?limit=20"
            started = time.perf_counter()
            urllib.request.urlopen(url, timeout=10).read()
            seconds.append(time.perf_counter() - started)
    seconds.sort()
    rows = [
        (
            requests,
            round(requests / sum(seconds)),
            f"{1000 * seconds[len(seconds) // 2]:.2f}",
            f"{1000 * seconds[int(0.99 * len(seconds))]:.2f}",
        )
    ]
    print_table("read API, one client", ("requests", "per second", "median ms", "p99 ms"), rows)


if __name__ == "__main__":
    main()
