"""The newest day of a night: what the check of its arrival says on a healthy one, and on one that is half missing."""

import os
from unittest.mock import patch

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from pipeline_process import Pipeline
from sample_pipeline import AS_OF

from orchestration.instance import open_instance
from quality.checks.arrivals import arrivals_check
from warehouse.resource import PostgresResource
from warehouse.settings import Settings

DAY_BEFORE = f"listened_on = date '{AS_OF}' - 1"


def checked(pipeline: Pipeline) -> AssetCheckEvaluation:
    """What the check says as of AS_OF."""
    (key,) = (each.key for each in arrivals_check.check_specs)
    layer = dg.Definitions(
        assets=[dg.AssetSpec(key.asset_key, partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))],
        asset_checks=[arrivals_check],
        jobs=[dg.define_asset_job("check", selection=dg.AssetSelection.checks(key))],
        resources={"warehouse": PostgresResource()},
    )
    with patch.dict(os.environ, pipeline.environment):
        done = layer.resolve_job_def("check").execute_in_process(tags={"dagster/partition": AS_OF})
    (evaluation,) = done.get_asset_check_evaluations()
    return evaluation


def test_a_healthy_night_has_nothing_to_say_of_its_newest_day(pipeline: Pipeline) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(["core", "fct_listens"]), "newest_day_is_whole")
    with open_instance(Settings(home=pipeline.home), pipeline.warehouse_url) as instance:
        (record, *_) = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    assert record.event is not None and record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert evaluation.passed
    assert "is as the days from" in (evaluation.description or "")
    assert (
        evaluation.metadata["listens"].value
        == pipeline.query(f"select count(*)::float from core.fct_listens where {DAY_BEFORE}")[0][0]
    )


def test_a_newest_day_that_is_missing_is_a_warning_with_its_figures(own_pipeline: Pipeline) -> None:
    own_pipeline.query(f"delete from core.fct_listens where {DAY_BEFORE} returning 1")
    evaluation = checked(own_pipeline)
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "2026-05-17 is unlike the days from 2026-03-22 to 2026-05-16: 0.0 listens, where at least" in (
        evaluation.description or ""
    )
    assert evaluation.metadata["listens"].value == 0
    assert evaluation.metadata["listens/least"].value > 0
