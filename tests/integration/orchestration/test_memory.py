"""Peak memory of a run: this process, its children, and the embedded servers."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import dagster as dg
import psutil
import pytest

from orchestration.memory import MemorySampler
from orchestration.pipeline import embedded_pids
from orchestration.platform import Platform
from orchestration.runs import run_job
from warehouse.local.servers import Endpoints
from warehouse.settings import Settings

MIB = 2**20
HELD = 200 * MIB
# What this process shares with others counts by halves or thirds, and changes when one of them comes or ends.
NOISE = 20 * MIB
HOLDER = f"import time; held = bytearray({HELD}); held[::4096] = bytes([1]) * len(held[::4096]); time.sleep(600)"


@pytest.fixture
def server() -> Iterator[int]:
    """The id of a process that holds HELD bytes and, as a server does, belongs to no process of the tests."""
    # The shell that started it ends at once.
    command = f'"{sys.executable}" -c "{HOLDER}" > /dev/null & echo $!'
    started = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, check=True)
    process = psutil.Process(int(started.stdout))
    try:
        while process.memory_info().rss < HELD:
            time.sleep(0.01)
        yield process.pid
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def sampled(*pids: int) -> int:
    with MemorySampler(pids) as sampler:
        return sampler.peak_bytes()


def test_the_memory_of_a_server_is_added_to_that_of_this_process(server: int) -> None:
    assert HELD - NOISE <= sampled(server) - sampled() < HELD + 100 * MIB


def test_a_child_counts_from_the_second_sample_on_that_finds_it() -> None:
    with MemorySampler(interval_seconds=600) as sampler:
        child = subprocess.Popen([sys.executable, "-c", HOLDER])
        try:
            while psutil.Process(child.pid).memory_info().rss < HELD:
                time.sleep(0.01)
            before, first, second = sampler.peak_bytes(), sampled_now(sampler), sampled_now(sampler)
        finally:
            child.kill()
            child.wait()
    assert first - before < 100 * MIB
    assert HELD - NOISE <= second - first < HELD + 100 * MIB


def sampled_now(sampler: MemorySampler) -> int:
    sampler._sample()
    return sampler._samples[-1][1]


def test_of_a_server_that_may_not_be_examined_the_resident_size_counts(
    server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "memory_full_info", denied)
    assert HELD - NOISE <= sampled(server) - sampled() < HELD + 100 * MIB


def test_a_server_that_has_ended_counts_nothing_before_or_while_sampling(server: int) -> None:
    with MemorySampler([server]) as sampler:
        psutil.Process(server).kill()
        while psutil.pid_exists(server) and psutil.Process(server).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        killed_at = time.time()
        while not any(at > killed_at for at, _ in list(sampler._samples)):
            assert sampler._thread.is_alive()
            time.sleep(0.01)
    assert sampled(2**22 + 1) > 0


def test_a_run_reports_the_peak_with_the_servers_it_was_told_of(server: int, tmp_path: Path) -> None:
    @dg.asset(partitions_def=dg.DailyPartitionsDefinition(start_date="2026-01-01"))
    def nothing() -> None:
        """Nothing."""

    definitions = dg.Definitions(assets=[nothing], jobs=[dg.define_asset_job("job", [nothing])])
    peaks = []
    with dg.DagsterInstance.ephemeral() as instance:
        for pids in ([], [server]):
            report = run_job(definitions, instance, "job", date(2026, 6, 1), tmp_path, lambda *_: None, pids)
            peaks.append((report.peak_mb, report.stages[0].peak_mb))
    (without, step_without), (together, step_together) = peaks
    assert together - without > HELD / MIB / 2
    assert step_together - step_without > HELD / MIB / 2


def test_the_embedded_servers_of_a_platform_are_the_ones_that_run(settings: Settings, endpoints: Endpoints) -> None:
    names = {psutil.Process(pid).name() for pid in embedded_pids(Platform(settings, "", ""))}
    assert len(names) == 2
    assert {name.partition("-")[0] for name in names} == {"postgres", "redis"}
    given = Settings(home=settings.home, warehouse_url=endpoints.warehouse_url, redis_url=endpoints.redis_url)
    assert embedded_pids(Platform(given, "", "")) == []
