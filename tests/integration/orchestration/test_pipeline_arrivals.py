"""The newest day of a night: what the check of its arrival says on a healthy one, and on one that is missing."""

import os
from unittest.mock import patch

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from pipeline_process import Pipeline
from sample_pipeline import AS_OF

from orchestration.instance import open_instance
from quality.checks.accepted import ACCEPT_TAG
from quality.checks.arrivals import arrivals_check
from quality.checks.loads import loads_check
from warehouse.resource import PostgresResource
from warehouse.settings import Settings

DAY_BEFORE = f"(listened_at at time zone 'UTC')::date = date '{AS_OF}' - 1"
# What came since: a listen for each, of the two weeks that follow AS_OF.
FROM_AS_OF_ON = f"listened_at >= timestamptz '{AS_OF} 00:00:00+00'"


def night(pipeline: Pipeline, accepted: str = "") -> dg.ExecuteInProcessResult:
    """Run both checks as of AS_OF, and what is built on raw listens after them."""

    @dg.asset(deps=[["raw", "listens"]])
    def built_on_listens() -> None:
        """Stands for the models."""

    partitions = dg.DailyPartitionsDefinition("2026-01-01")
    listens = dg.AssetSpec(["raw", "listens"], partitions_def=partitions)

    @dg.multi_asset(specs=[listens])
    def raw_listens() -> None:
        """They are there."""

    layer = dg.Definitions(
        assets=[raw_listens, built_on_listens],
        asset_checks=[arrivals_check, loads_check],
        jobs=[dg.define_asset_job("night", selection=dg.AssetSelection.all())],
        resources={"warehouse": PostgresResource()},
    )
    with patch.dict(os.environ, pipeline.environment):
        return layer.resolve_job_def("night").execute_in_process(
            tags={"dagster/partition": AS_OF, ACCEPT_TAG: accepted}, raise_on_error=False
        )


def of_check(done: dg.ExecuteInProcessResult, name: str) -> AssetCheckEvaluation:
    (evaluation,) = (each for each in done.get_asset_check_evaluations() if each.check_name == name)
    return evaluation


def is_built(done: dg.ExecuteInProcessResult) -> bool:
    return any(event.asset_key == dg.AssetKey("built_on_listens") for event in done.get_asset_materialization_events())


def test_a_healthy_night_has_nothing_to_say_of_its_newest_day(pipeline: Pipeline) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(["raw", "listens"]), "newest_day_is_whole")
    with open_instance(Settings(home=pipeline.home), pipeline.warehouse_url) as instance:
        (record, *_) = instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    assert record.event is not None and record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert evaluation.passed
    assert "is as the days from" in (evaluation.description or "")
    listens = pipeline.query(f"select count(*)::float from raw.listens where {DAY_BEFORE}")[0][0]
    assert evaluation.metadata["listens"].value == listens
    kept = "select value, learned_from::text from quality.observations where metric = 'listens' and segment = 'all'"
    assert pipeline.query(kept) == [(listens, "2026-03-22")]


def test_a_missing_day_of_an_old_date_is_told_and_stops_nothing(own_pipeline: Pipeline) -> None:
    own_pipeline.query(f"delete from raw.listens where {DAY_BEFORE} returning 1")
    done = night(own_pipeline)
    evaluation = of_check(done, "newest_day_is_whole")
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "2026-05-17 is unlike the days from 2026-03-22 to 2026-05-16: 0.0 listens, where at least" in (
        evaluation.description or ""
    )
    assert "It stops nothing: later days were judged or have come" in (evaluation.description or "")
    assert evaluation.metadata["listens"].value == 0
    assert is_built(done)


def test_a_missing_newest_day_stops_what_is_built_on_it_until_a_run_accepts_it(own_pipeline: Pipeline) -> None:
    own_pipeline.query(f"delete from raw.listens where {DAY_BEFORE} or {FROM_AS_OF_ON} returning 1")
    # As if each day had come in a file of its own.
    own_pipeline.query("update raw.ingest_files set last_listened_at = timestamptz '2026-01-01' returning 1")
    done = night(own_pipeline)
    evaluation = of_check(done, "newest_day_is_whole")
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR), evaluation.description
    assert "It stops nothing" not in (evaluation.description or "")
    assert not is_built(done)
    verdict = "select passed, blocks from quality.validations where check_name = 'newest_day_is_whole'"
    assert own_pipeline.query(f"{verdict} order by validation_id desc limit 1") == [(False, True)]
    (hours,) = (each for name, each in evaluation.metadata.items() if name == "failing/all")
    assert len(hours.records) > 10

    accepted = night(own_pipeline, "newest_day_is_whole")
    evaluation = of_check(accepted, "newest_day_is_whole")
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (evaluation.description or "").startswith("accepted although 2026-05-17 is unlike")
    assert is_built(accepted)


def test_a_file_that_blocks_is_judged_until_it_is_undone_or_accepted(own_pipeline: Pipeline) -> None:
    assert of_check(night(own_pipeline), "loads_are_as_usual").passed
    own_pipeline.query(
        "update raw.ingest_files set retried_at = clock_timestamp(), rows_rejected = rows_read, rows_loaded = 0,"
        " rows_duplicate = 0, rows_left_out = 0 where kind = 'listens' returning 1"
    )
    for _ in range(2):
        done = night(own_pipeline)
        assert of_check(done, "loads_are_as_usual").severity == dg.AssetCheckSeverity.ERROR
        assert not is_built(done)
    assert is_built(night(own_pipeline, "loads_are_as_usual"))
    assert of_check(night(own_pipeline), "loads_are_as_usual").description == "0 files are as usual"
