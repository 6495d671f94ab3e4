"""The Dagster instance: whose its configuration is, what ends a run that hangs, and what `down` asks of it."""

import errno
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster import DagsterEventType
from dagster._core.events import EngineEventData
from typer.testing import CliRunner

from orchestration.cli.app import app
from orchestration.cli.pipeline import steps
from orchestration.demo import run_demo
from orchestration.instance import dagster_environment, open_instance, running_runs
from orchestration.jobs import JOBS
from orchestration.up import Ports, run_until_interrupted
from warehouse.errors import AudoticsError
from warehouse.local.server import any_free_port
from warehouse.local.servers import ensure_running, status, stop
from warehouse.migrate import require_current
from warehouse.settings import Settings


def test_the_configuration_is_written_once_and_left_to_its_owner(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    config = tmp_path / "dagster" / "dagster.yaml"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(dagster_environment, [settings] * 4, ["postgresql://u@h/d"] * 4))
    assert [path.name for path in config.parent.iterdir()] == ["dagster.yaml"]
    config.write_text("edited: yes\n")
    dagster_environment(settings, "postgresql://u@h/d")
    assert config.read_text() == "edited: yes\n"


def test_it_is_written_where_there_are_no_hard_links_and_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    dagster_environment(Settings(home=tmp_path), "postgresql://u@h/d")
    assert [path.name for path in (tmp_path / "dagster").iterdir()] == ["dagster.yaml"]


@pytest.fixture
def home(fresh_home: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A fresh home for the commands of this process."""
    monkeypatch.setenv("AUDOTICS_HOME", str(fresh_home.home))
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("AUDOTICS_DAGSTER_STORAGE_URL", "")
    return fresh_home


@pytest.fixture
def other_process() -> Iterator[psutil.Popen]:
    """A process that stands for a run of another terminal; nobody collects it when it is killed."""
    with psutil.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def add_run(settings: Settings, process: psutil.Popen | None = None, before: float = 0.0) -> dg.DagsterRun:
    """Record a run that works, and its process, as Dagster does, at that number of seconds before now."""
    run = dg.DagsterRun("nightly", status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "2026-06-01"})
    with open_instance(settings, ensure_running(settings).warehouse_url) as instance:
        instance.add_run(run)
        if process is not None:
            event = dg.DagsterEvent(
                DagsterEventType.ENGINE_EVENT.value,
                run.job_name,
                event_specific_data=EngineEventData.in_process(process.pid),
            )
            instance.report_dagster_event(event, run.run_id, timestamp=time.time() - before)
    return run


def status_of(settings: Settings, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    with open_instance(settings, ensure_running(settings).warehouse_url) as instance:
        return instance.get_runs(filters=dg.RunsFilter(run_ids=[run.run_id]))[0].status


def servers_run(settings: Settings) -> list[bool]:
    return [server.running for server in status(settings)]


def test_servers_are_not_stopped_under_a_run_unless_that_is_asked_for(home: Settings) -> None:
    assert running_runs(home) == []
    url = ensure_running(home).warehouse_url
    require_current(url, embedded=True)
    assert running_runs(home) == []
    with open_instance(home, url) as instance:
        # What hangs is ended, by the instance's limit or the job's own.
        assert instance.run_monitoring_enabled and instance.run_monitoring_max_runtime_seconds == 12 * 3600
        own = {job.name: job.tags["dagster/max_runtime"] for job in JOBS if "dagster/max_runtime" in (job.tags or {})}
        assert own == {"search": str(48 * 3600)}
        instance.add_run(dg.DagsterRun("training", status=dg.DagsterRunStatus.SUCCESS))
    run = add_run(home)
    refused = CliRunner().invoke(app, ["down"])
    assert isinstance(refused.exception, AudoticsError)
    assert f"1 run works on these servers: nightly 2026-06-01 ({run.run_id[:8]}); wait" in str(refused.exception)
    assert servers_run(home) == [True, True]
    assert CliRunner().invoke(app, ["down", "--force"]).output == "stopped PostgreSQL, Redis\n"
    assert servers_run(home) == [False, False]
    # Of a server that does not run, nothing is asked.
    assert CliRunner().invoke(app, ["down"]).output == "nothing was running\n"
    # What was stopped by force is not in the way for ever.
    assert status_of(home, run) is dg.DagsterRunStatus.FAILURE
    assert CliRunner().invoke(app, ["down"]).output == "stopped PostgreSQL, Redis\n"


def test_a_command_stops_its_servers_but_not_under_a_run_of_another_which_ends_when_its_process_does(
    home: Settings, other_process: psutil.Popen, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_current(ensure_running(home).warehouse_url, embedded=True)
    stop(home)
    said: list[str] = []
    runs: list[dg.DagsterRun] = []

    def start_elsewhere(*given: object) -> None:
        runs.append(add_run(home, other_process))
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestration.demo.sample_world", start_elsewhere)
    with pytest.raises(KeyboardInterrupt):
        run_demo(steps, said.append)
    assert servers_run(home) == [True, True]
    assert re.fullmatch(r"the servers stay up: 1 run works on them: nightly 2026-06-01 .*", said.pop())

    # A later process that got the number of an earlier one is not that one.
    earlier = add_run(home, other_process, before=3600.0)
    assert len(running_runs(home)) == 1
    assert status_of(home, earlier) is dg.DagsterRunStatus.FAILURE

    monkeypatch.setattr("orchestration.up._run", start_elsewhere)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        run_until_interrupted(free_ports(), said.append)
        assert servers_run(home) == [True, True]
        assert said[-1].startswith("the servers stay up: 2 runs work on them: ")
        other_process.kill()
        monkeypatch.setattr("orchestration.up._run", lambda *given: None)
        run_until_interrupted(free_ports(), said.append)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert servers_run(home) == [False, False]
    assert [status_of(home, run) for run in runs] == [dg.DagsterRunStatus.FAILURE] * 2
    assert CliRunner().invoke(app, ["down"]).output == "stopped PostgreSQL, Redis\n"


def free_ports() -> Ports:
    return Ports(any_free_port(), any_free_port(), any_free_port())
