"""The jobs and their schedules. Every job runs for one `as_of` partition."""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg

from assets.ranker.recommendations import has_recommendations
from assets.ranker.slates import HORIZON_DAYS
from warehouse.engine import create_engine
from warehouse.resource import WarehouseResource
from warehouse.roles import Role

INGEST = dg.AssetSelection.groups("raw", "staging", "intermediate", "core", "analytics")
FEATURES = dg.AssetSelection.groups("features")
TRAINING = dg.AssetSelection.groups("training")
SERVING = dg.AssetSelection.groups("candidates", "recommendations", "release")
EVALUATION = dg.AssetSelection.groups("evaluation")

nightly = dg.define_asset_job(
    "nightly",
    selection=INGEST | FEATURES | SERVING,
    description="Load what has landed, rebuild the models, score every user with the champions, publish.",
)
training = dg.define_asset_job(
    "training",
    selection=INGEST | FEATURES | TRAINING,
    description="Load what has landed, add the newest closed fold to the training set, train one ranker per slate.",
)
first_release = dg.define_asset_job(
    "first_release",
    selection=INGEST | FEATURES | TRAINING | SERVING,
    description="Everything from landed files to a live release, training included: for a fresh warehouse.",
)
evaluation = dg.define_asset_job(
    "evaluation",
    selection=EVALUATION,
    description="Compare what was recommended as of a date, and the baselines, with what was then listened to.",
)

JOBS = [nightly, training, first_release, evaluation]


def _as_of_request(scheduled: date, days_back: int = 0) -> dg.RunRequest:
    as_of = scheduled - timedelta(days=days_back)
    return dg.RunRequest(run_key=as_of.isoformat(), partition_key=as_of.isoformat())


@dg.schedule(job=training, cron_schedule="0 1 * * 1", execution_timezone="UTC")
def weekly_training(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Mondays at 01:00 UTC: train as of that midnight."""
    yield _as_of_request(context.scheduled_execution_time.date())


@dg.schedule(job=nightly, cron_schedule="0 3 * * *", execution_timezone="UTC")
def nightly_release(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Every night at 03:00 UTC: publish as of that midnight."""
    yield _as_of_request(context.scheduled_execution_time.date())


@dg.schedule(job=evaluation, cron_schedule="0 5 * * *", execution_timezone="UTC")
def nightly_evaluation(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Every night at 05:00 UTC: judge the lists whose two weeks have just passed, if that night made any."""
    request = _as_of_request(context.scheduled_execution_time.date(), days_back=HORIZON_DAYS)
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        made = has_recommendations(connection, date.fromisoformat(str(request.partition_key)))
    yield request if made else dg.SkipReason(f"no lists were made as of {request.partition_key}")


SCHEDULES = [weekly_training, nightly_release, nightly_evaluation]
