"""The Dagster instance that the CLI, the UI and the daemon share: its storage is the warehouse's `dagster` schema."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psutil
from dagster import DagsterEventType
from sqlalchemy import text

from warehouse.engine import create_engine, session_url, sqlalchemy_url
from warehouse.local.postgres import LocalPostgres
from warehouse.local.servers import status, stop
from warehouse.settings import Settings
from warehouse.wording import counted

_STORAGE_VARIABLE = "AUDOTICS_DAGSTER_STORAGE_URL"

RUNNING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_MAX_RUNTIME_SECONDS = 12 * 3600
# How far the time at which a process started may seem later than what it recorded: that time is counted in ticks from
# the start of the machine, whose own time is rounded to seconds and moves when the clock is set.
_CLOCK_SECONDS = 5.0

_DAGSTER_YAML = f"""\
# Written by audotics when this home was made; yours from then on.
storage:
  postgres:
    postgres_url:
      env: {_STORAGE_VARIABLE}
telemetry:
  enabled: false
nux:
  enabled: false
run_monitoring:
  enabled: true
  # A run that takes longer hangs. While `audotics up` is on, one launched from the UI or by a schedule is then ended;
  # one of the command line is recorded as failed, but only the end of its process frees the locks that it holds. A job
  # says otherwise by its tag `dagster/max_runtime`.
  max_runtime_seconds: {_MAX_RUNTIME_SECONDS}
"""


def dagster_environment(settings: Settings, warehouse_url: str) -> dict[str, str]:
    """Prepare the instance's folder and return the variables that point a Dagster process at it."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    _write_once(folder / "dagster.yaml", _DAGSTER_YAML)
    return {"DAGSTER_HOME": str(folder), _STORAGE_VARIABLE: _storage_url(warehouse_url)}


def _write_once(path: Path, text: str) -> None:
    """Write a file, whole, unless there is one: of threads and processes that start at once, one does."""
    if path.exists():
        return
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        partial.write_text(text)
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        except OSError:
            # Not every file system has hard links. Those that start at once write the same.
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def open_instance(settings: Settings, warehouse_url: str) -> dg.DagsterInstance:
    """The instance, opened in this process, which keeps its connections: a run records hundreds of events."""
    os.environ.update(dagster_environment(settings, warehouse_url))
    instance = dg.DagsterInstance.from_config(str(Path(os.environ["DAGSTER_HOME"])))
    # Without it, Dagster connects again for each event, which takes as long as a third of a small run.
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=10)
    return instance


def running_runs(settings: Settings) -> list[str]:
    """The runs that work on the embedded server, by job, partition and id; starts nothing.

    A run that was killed could not record its own end: when its process has gone, it is recorded as failed here. One
    that has recorded no process yet counts as running.
    """
    return _named(_unfinished(settings, process_has_gone, "The process of this run has ended without a word."))


def fail_runs(settings: Settings) -> None:
    """Record every run that works on the embedded server as failed, before the server is taken from it."""
    _unfinished(settings, lambda instance, run: True, "The servers of this run were stopped: audotics down --force.")


def stop_unless_used(settings: Settings, say: Callable[[str], None]) -> None:
    """Stop the embedded servers, but not under the run of another command; says so when they stay up for one."""
    if runs := running_runs(settings):
        working = counted(len(runs), "run", ("works", "work"))
        say(f"the servers stay up: {working} on them: {', '.join(runs)}; `audotics down` stops them after that")
    else:
        stop(settings)


def _unfinished(
    settings: Settings, is_over: Callable[[dg.DagsterInstance, dg.DagsterRun], bool], why: str
) -> list[dg.DagsterRun]:
    """The runs on record as running, after those that are over were recorded as failed and why."""
    postgres = next(server for server in status(settings) if server.title == LocalPostgres.title)
    if not postgres.embedded or not postgres.running or postgres.url is None:
        return []
    with create_engine(postgres.url).connect() as connection:
        # Dagster would create the tables it does not find.
        if connection.scalar(text("select to_regclass('dagster.runs')")) is None:
            return []
    with open_instance(settings, postgres.url) as instance:
        runs = []
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=RUNNING)):
            if is_over(instance, run):
                instance.report_run_failed(run, why)
            else:
                runs.append(run)
    return runs


def process_has_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether a run has recorded its process, as those of the command line and of the UI do, and it has ended."""
    recorded = []
    for log in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = log.dagster_event
        if event is not None and (pid := event.engine_event_data.metadata.get("pid")) is not None:
            recorded.append((int(str(pid.value)), log.timestamp))
    return bool(recorded) and not any(_lives(pid, at) for pid, at in recorded)


def _lives(pid: int, at: float) -> bool:
    """Tell whether the process that had this pid at that time is at work; this one, which asks, is not."""
    try:
        process = psutil.Process(pid)
        # A zombie has ended; a process that started later has the number of one that has gone.
        same = process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= at + _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
    return same and pid != os.getpid()


def _named(runs: list[dg.DagsterRun]) -> list[str]:
    return [f"{run.job_name} {run.tags.get('dagster/partition', '')} ({run.run_id[:8]})" for run in runs]


def _storage_url(warehouse_url: str) -> str:
    return sqlalchemy_url(session_url(warehouse_url, schema="dagster"))
