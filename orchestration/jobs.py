"""The jobs and their schedules. Every job but `landing` runs for one `as_of` partition."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from assets.evaluation.store import dates_to_evaluate
from assets.similar.evaluation_store import date_to_evaluate
from assets.slates import HORIZON_DAYS
from quality.checks import newest_day
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role

BLOCKS = dg.AssetSelection.assets("blocks_in_redis")
# A landing has no date, so no day is its newest.
OF_NEWEST_DAY = dg.AssetSelection.checks(newest_day.KEY)
LANDING = (dg.AssetSelection.groups("raw") | BLOCKS) - OF_NEWEST_DAY
INGEST = dg.AssetSelection.groups("raw", "staging", "snapshots", "intermediate", "core", "analytics")
FEATURES = dg.AssetSelection.groups("features")
TRAINING = dg.AssetSelection.groups("training")
SEARCH = dg.AssetSelection.assets("training_set") | dg.AssetSelection.groups("search")
# A release tells Redis of all blocks itself.
SERVING = dg.AssetSelection.groups("candidates", "recommendations", "release", "ml") - BLOCKS
EVALUATION = dg.AssetSelection.groups("evaluation")
SIMILARITY_EVALUATION = dg.AssetSelection.groups("similarity_evaluation")
REPLAY = dg.AssetSelection.groups("replay")

nightly = dg.define_asset_job(
    "nightly",
    selection=INGEST | FEATURES | SERVING,
    description="Load what has landed, rebuild the models, score every user with the champions, publish.",
)
features = dg.define_asset_job(
    "features",
    selection=FEATURES,
    description="Features as of a date, for a replay; listens are taken as the last build of the models left them.",
)
training = dg.define_asset_job(
    "training",
    selection=INGEST | FEATURES | TRAINING,
    description="Load what has landed, add the newest closed fold to the training set, train one ranker per slate"
    " and let the gate decide whether it serves.",
)
search = dg.define_asset_job(
    "search",
    selection=FEATURES | SEARCH,
    # Trials by the hundred: longer than any night, which is what dagster.yaml limits runs to.
    tags={"dagster/max_runtime": str(48 * 3600)},
    description="Try training parameters on the newest closed folds, and choose those that are significantly better"
    " than the default. By hand, monthly or after new sources and features; listens are taken as the last build left"
    " them.",
)
training_and_release = dg.define_asset_job(
    "training_and_release",
    selection=INGEST | FEATURES | TRAINING | SERVING,
    description="The nightly job with training in it, from landed files to a live release: what `audotics run` starts"
    " with --train, or where no ranker may serve the date yet.",
)
evaluation = dg.define_asset_job(
    "evaluation",
    selection=EVALUATION,
    description="Compare what was recommended as of a date, and the baselines, with what was then listened to.",
)

similarity_evaluation = dg.define_asset_job(
    "similarity_evaluation",
    selection=SIMILARITY_EVALUATION,
    description="Compare similar tracks and artists as of a date, and plain cosine, with the sessions that followed.",
)
replay = dg.define_asset_job(
    "replay",
    selection=FEATURES | REPLAY,
    description="Make the lists of a date again and compare them with those made then; stores and publishes nothing."
    " Features of the date are built where there are none.",
)

landing = dg.define_asset_job(
    "landing",
    selection=LANDING,
    description="Load what has landed and check the raw tables, nothing after it; the sensor starts it for what is new."
    " With `retry: true`, also what is set aside.",
)

JOBS = [nightly, features, training, search, training_and_release, evaluation, similarity_evaluation, replay, landing]


def _as_of_request(as_of: date) -> dg.RunRequest:
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
    context: dg.ScheduleEvaluationContext, warehouse: PostgresResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Every night at 05:00 UTC: judge all lists whose two weeks have passed in the data, and that were never judged."""
    night = context.scheduled_execution_time.date()
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        dates = dates_to_evaluate(connection)
    for as_of in dates:
        # Named after the night as well: a date whose run failed is asked for again.
        yield dg.RunRequest(run_key=f"{as_of.isoformat()} on {night.isoformat()}", partition_key=as_of.isoformat())
    if not dates:
        yield dg.SkipReason(f"all lists are judged whose {HORIZON_DAYS} days have passed in the data")


@dg.schedule(job=similarity_evaluation, cron_schedule="0 6 * * 1", execution_timezone="UTC")
def weekly_similarity_evaluation(
    context: dg.ScheduleEvaluationContext, warehouse: PostgresResource
) -> dg.RunRequest | dg.SkipReason:
    """Mondays at 06:00 UTC: judge similar items as of the newest night whose two weeks have passed in the data."""
    monday = context.scheduled_execution_time.date()
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        as_of = date_to_evaluate(connection)
    if as_of is None:
        return dg.SkipReason(f"of no newer night have the {HORIZON_DAYS} days after it passed in the data")
    return dg.RunRequest(run_key=f"{as_of.isoformat()} on {monday.isoformat()}", partition_key=as_of.isoformat())


SCHEDULES = [weekly_training, nightly_release, nightly_evaluation, weekly_similarity_evaluation]
