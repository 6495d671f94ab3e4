"""The Dagster instance that the CLI, the UI and the daemon share: its storage is the warehouse's `dagster` schema."""

import os
from contextlib import suppress
from pathlib import Path

import dagster as dg
from sqlalchemy import text

from warehouse.engine import create_engine, session_url, sqlalchemy_url
from warehouse.local.postgres import LocalPostgres
from warehouse.local.servers import status
from warehouse.settings import Settings

_STORAGE_VARIABLE = "AUDOTICS_DAGSTER_STORAGE_URL"

_RUNNING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_MAX_RUNTIME_SECONDS = 12 * 3600

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
  # A run that takes longer hangs: it is ended, so that the next night finds no lock held. A job says otherwise by its
  # tag `dagster/max_runtime`.
  max_runtime_seconds: {_MAX_RUNTIME_SECONDS}
"""


def dagster_environment(settings: Settings, warehouse_url: str) -> dict[str, str]:
    """Prepare the instance's folder and return the variables that point a Dagster process at it."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    _write_once(folder / "dagster.yaml", _DAGSTER_YAML)
    return {"DAGSTER_HOME": str(folder), _STORAGE_VARIABLE: _storage_url(warehouse_url)}


def _write_once(path: Path, text: str) -> None:
    """Write a file, whole, unless there is one: of processes that start at once, one does."""
    if path.exists():
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text)
    with suppress(FileExistsError):
        os.link(partial, path)
    partial.unlink()


def open_instance(settings: Settings, warehouse_url: str) -> dg.DagsterInstance:
    """The instance, opened in this process, which keeps its connections: a run records hundreds of events."""
    os.environ.update(dagster_environment(settings, warehouse_url))
    instance = dg.DagsterInstance.from_config(str(Path(os.environ["DAGSTER_HOME"])))
    # Without it, Dagster connects again for each event, which takes as long as a third of a small run.
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=10)
    return instance


def running_runs(settings: Settings) -> list[str]:
    """The runs that are on record as running on the embedded server, by job, partition and id; starts nothing."""
    postgres = next(server for server in status(settings) if server.title == LocalPostgres.title)
    if not postgres.embedded or not postgres.running or postgres.url is None:
        return []
    with create_engine(postgres.url).connect() as connection:
        # Dagster would create the tables it does not find.
        if connection.scalar(text("select to_regclass('dagster.runs')")) is None:
            return []
    with open_instance(settings, postgres.url) as instance:
        runs = instance.get_runs(filters=dg.RunsFilter(statuses=_RUNNING))
    return [f"{run.job_name} {run.tags.get('dagster/partition', '')} ({run.run_id[:8]})" for run in runs]


def _storage_url(warehouse_url: str) -> str:
    return sqlalchemy_url(session_url(warehouse_url, schema="dagster"))
