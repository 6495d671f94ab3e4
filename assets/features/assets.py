"""Feature models, one `as_of` at a time: what is missing or stale is built, what is of no more use deleted."""

from collections.abc import Iterator, Set
from datetime import date
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets
from sqlalchemy import Engine

from assets.dbt import DBT_PROJECT, TRANSLATOR, build
from assets.dbt_project import manifest_path
from assets.features.dates import FOLDS, MARTS, begin_features, finish_features, fold_dates
from assets.features.version import features_version
from assets.listens import require_listens_before
from assets.partitions import AS_OF_PARTITIONS, ONE_DATE_PER_RUN, Materialized
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import MODELS_LOCK, create_engine, exclusive
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.row_counts import row_count

FEATURE_KEYS = [dg.AssetKey(["features", mart]) for mart in MARTS]


@dbt_assets(
    manifest=manifest_path(),
    name="feature_models",
    selector="feature_models",
    project=DBT_PROJECT,
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    dagster_dbt_translator=TRANSLATOR,
)
def feature_models(context: dg.AssetExecutionContext, warehouse: PostgresResource) -> Iterator[Any]:
    """Features as of the partition's date; in a run that also updates the training set, as of its folds as well.

    Only what is missing or stale is built. In steady state the folds were built when they were the night's own date,
    so a night builds one date, be there a training in it or not. Features expire some days after a run last needed
    them, those that the next weekly trainings need excepted.
    """
    stop_on_failed_checks(context)
    as_of = date.fromisoformat(context.partition_key)
    needed = [as_of, *(fold_dates(as_of) if updates_training_set(context.job_def) else ())]
    engine = create_engine(warehouse.url, Role.TRANSFORMER)
    # From the question of what is stale to the deletion: another run may build and delete in between.
    with exclusive(warehouse.url, MODELS_LOCK, Role.TRANSFORMER) as lock:
        with engine.begin() as connection:
            require_listens_before(connection, as_of)
            wanted = begin_features(connection, needed, features_version(connection))
        if wanted.stale:
            yield from build(context, warehouse, lock, wanted.stale)
        else:
            yield from _found(context, engine)
        if _builds_and_tests_all(context):
            with engine.begin() as connection:
                expired = finish_features(connection, wanted, FOLDS)
                lock.require()
            context.log.info("features built as of %s; deleted those as of %s", wanted.stale, expired)


def updates_training_set(job: dg.JobDefinition) -> bool:
    """Whether `training_set` is among the assets that a run of this job, or of this subset of one, materialises."""
    return dg.AssetKey("training_set") in job.asset_layer.selected_asset_keys


def _builds_and_tests_all(context: dg.AssetExecutionContext) -> bool:
    """Whether every feature model and all their tests are selected.

    A run may leave out either. What it builds is then not noted as built: nobody would know that tests passed.
    """
    tests = {check.key for check in feature_models.check_specs}
    selected: Set[dg.AssetKey | dg.AssetCheckKey] = {*context.selected_asset_keys, *context.selected_asset_check_keys}
    return selected >= {*FEATURE_KEYS, *tests}


# A date is noted as built after all tests have passed, and is stale as soon as its listens or the models change. When
# that was is not on record: built_at is when a run last needed the date.
_STANDING = (
    "not run now: passed when the features of this date were built; neither their listens nor the models have changed"
    " since"
)


def _found(context: dg.AssetExecutionContext, engine: Engine) -> Iterator[Materialized]:
    """Report the selected feature models as they stand, and of their tests that they passed when they were built."""
    with engine.connect() as connection:
        # Dagster refuses an asset before its dependencies.
        for key in (key for key in FEATURE_KEYS if key in context.selected_asset_keys):
            counted = row_count(connection, *key.path)
            metadata = counted.metadata() if counted else {}
            # Without results, Dagster warns at every later step that nothing gates it.
            checks = [
                dg.AssetCheckResult(
                    asset_key=key,
                    check_name=check.name,
                    passed=True,
                    description=_STANDING,
                    metadata={"tested_now": False},
                )
                for check in sorted(context.selected_asset_check_keys, key=lambda check: check.name)
                if check.asset_key == key
            ]
            yield dg.MaterializeResult(asset_key=key, metadata={**metadata, "built_now": False}, check_results=checks)
