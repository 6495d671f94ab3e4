"""The Dagster instance: whose its configuration is, what ends a run that hangs, and what `down` asks of it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from orchestration.cli.app import app
from orchestration.instance import dagster_environment, open_instance, running_runs
from orchestration.jobs import JOBS
from warehouse.errors import AudoticsError
from warehouse.local.servers import ensure_running, status
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


def test_servers_are_not_stopped_under_a_run_unless_that_is_asked_for(
    fresh_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_HOME", str(fresh_home.home))
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("AUDOTICS_DAGSTER_STORAGE_URL", "")
    assert running_runs(fresh_home) == []
    url = ensure_running(fresh_home).warehouse_url
    require_current(url, embedded=True)
    assert running_runs(fresh_home) == []
    with open_instance(fresh_home, url) as instance:
        # What hangs is ended, by the instance's limit or the job's own.
        assert instance.run_monitoring_enabled and instance.run_monitoring_max_runtime_seconds == 12 * 3600
        own = {job.name: job.tags["dagster/max_runtime"] for job in JOBS if "dagster/max_runtime" in (job.tags or {})}
        assert own == {"search": str(48 * 3600)}
        run = dg.DagsterRun("nightly", status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "2026-06-01"})
        instance.add_run(run)
        instance.add_run(dg.DagsterRun("training", status=dg.DagsterRunStatus.SUCCESS))
    refused = CliRunner().invoke(app, ["down"])
    assert isinstance(refused.exception, AudoticsError)
    assert f"1 run works on these servers: nightly 2026-06-01 ({run.run_id[:8]}); wait" in str(refused.exception)
    assert [server.running for server in status(fresh_home)] == [True, True]
    assert CliRunner().invoke(app, ["down", "--force"]).output == "stopped PostgreSQL, Redis\n"
    assert [server.running for server in status(fresh_home)] == [False, False]
    # Of a server that does not run, nothing is asked.
    assert CliRunner().invoke(app, ["down"]).output == "nothing was running\n"
