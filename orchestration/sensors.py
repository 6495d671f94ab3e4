"""The sensor of the landing folder: what is new there is loaded within a minute, without waiting for the night."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import dagster as dg

from assets.ingest.assets import LandingOptions
from assets.ingest.landing_files import list_landing
from assets.ingest.landing_ledger import read_landed
from assets.ingest.landing_news import Watched, news
from orchestration.instance import RUNNING, process_has_gone
from orchestration.jobs import landing
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.settings import load_settings
from warehouse.wording import counted

_TICK_SECONDS = 30


@dg.sensor(job=landing, minimum_interval_seconds=_TICK_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def landing_sensor(context: dg.SensorEvaluationContext, warehouse: PostgresResource) -> dg.SensorResult:
    """Start a run for what has landed, was repaired, or is gone and had a fault.

    A file that has changed since the last tick is still being written, and waits for the next. While a run is queued or
    under way there is no other; it loads a bounded number of files, and the next tick asks for the rest.
    """
    with create_engine(warehouse.url, Role.LOADER).connect() as connection:
        noted = read_landed(connection)
    found = news(list_landing(load_settings().landing, noted), noted, _watched(context.cursor))
    cursor = json.dumps(asdict(found.watched), separators=(",", ":"))
    if running := _unfinished(context.instance):
        return dg.SensorResult(skip_reason=f"run {running[0].run_id} of {landing.name} comes first", cursor=cursor)
    if not found.ready:
        waiting = counted(found.unsettled, "new file", ("is", "are"))
        return dg.SensorResult(
            skip_reason=f"{waiting} waited for, until nothing changes" if found.unsettled else "nothing new has landed",
            cursor=cursor,
        )
    # Named after the hour as well: what a run failed to come to, such as on a full disk, is asked for again.
    key = f"{found.key} {datetime.now(UTC):%Y-%m-%dT%H}"
    options = LandingOptions(only=list(found.ready))
    request = dg.RunRequest(run_key=key, run_config=dg.RunConfig(ops={"raw_tables": options}))
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def _watched(cursor: str | None) -> Watched:
    """What the last tick left in the cursor; one of another version is begun again."""
    try:
        return Watched(**json.loads(cursor)) if cursor else Watched()
    except (ValueError, TypeError):
        return Watched()


def _unfinished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs of the job that are queued or under way; not those whose process has ended without a word."""
    statuses = [dg.DagsterRunStatus.QUEUED, *RUNNING]
    runs = instance.get_runs(filters=dg.RunsFilter(job_name=landing.name, statuses=statuses))
    return [run for run in runs if not process_has_gone(instance, run)]


SENSORS = [landing_sensor]
