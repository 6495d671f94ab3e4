"""The Dagster instance that the CLI, the UI and the daemon share: its storage is the warehouse's `dagster` schema."""

import os
from pathlib import Path

import dagster as dg

from warehouse.engine import session_url, sqlalchemy_url
from warehouse.settings import Settings

_STORAGE_VARIABLE = "AUDOTICS_DAGSTER_STORAGE_URL"

_DAGSTER_YAML = f"""\
# Written by audotics at every start; edits are lost.
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
"""


def dagster_environment(settings: Settings, warehouse_url: str) -> dict[str, str]:
    """Prepare the instance's folder and return the variables that point a Dagster process at it."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    partial = folder / f"dagster.yaml.{os.getpid()}"
    partial.write_text(_DAGSTER_YAML)
    partial.replace(config)
    return {"DAGSTER_HOME": str(folder), _STORAGE_VARIABLE: _storage_url(warehouse_url)}


def open_instance(settings: Settings, warehouse_url: str) -> dg.DagsterInstance:
    """The instance, opened in this process, which keeps its connections: a run records hundreds of events."""
    os.environ.update(dagster_environment(settings, warehouse_url))
    instance = dg.DagsterInstance.from_config(str(Path(os.environ["DAGSTER_HOME"])))
    # Without it, Dagster connects again for each event, which takes as long as a third of a small run.
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=10)
    return instance


def _storage_url(warehouse_url: str) -> str:
    return sqlalchemy_url(session_url(warehouse_url, schema="dagster"))
