"""What the check of the sources says when what the models read is fresh, and when it is not."""

import os
from datetime import date, timedelta
from unittest.mock import patch

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dbt_process import Dbt
from sample_warehouse import WORLD

from assets.dbt import sources_check
from warehouse.resource import PostgresResource

# The day after the last listen of the sample warehouse.
AS_OF = WORLD.until


def checked(dbt: Dbt, as_of: date | None = AS_OF) -> AssetCheckEvaluation:
    """What the check says in a run as of a date, or in one without."""
    (key,) = (each.key for each in sources_check.check_specs)
    layer = dg.Definitions(
        assets=[dg.AssetSpec(key.asset_key, partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))],
        asset_checks=[sources_check],
        jobs=[dg.define_asset_job("check", selection=dg.AssetSelection.checks(key))],
        resources={"warehouse": PostgresResource()},
    )
    tags = {"dagster/partition": f"{as_of}"} if as_of else {}
    with patch.dict(os.environ, {"AUDOTICS_WAREHOUSE_URL": dbt.warehouse_url}):
        done = layer.resolve_job_def("check").execute_in_process(tags=tags)
    (evaluation,) = done.get_asset_check_evaluations()
    return evaluation


def hours(evaluation: AssetCheckEvaluation) -> dict[str, float | None]:
    """By source, as the check shows them."""
    records = [record.data for record in evaluation.metadata["sources"].records]
    return {str(record["source"]): record["hours"] for record in records}


def test_what_was_loaded_today_is_fresh_and_what_was_never_written_is_not_late(sample: Dbt) -> None:
    evaluation = checked(sample)
    assert (evaluation.passed, evaluation.description) == (
        True,
        f"{len(hours(evaluation))} sources are as fresh as they should be",
    )
    assert hours(evaluation)["raw.listens"] == pytest.approx(0, abs=24)
    assert hours(evaluation)["raw.tracks"] == pytest.approx(0, abs=24)
    assert hours(evaluation)["ml.releases"] is None


def test_a_night_without_a_file_and_one_without_a_release_are_told_and_stop_nothing(own_sample: Dbt) -> None:
    own_sample.query("update raw.ingest_files set finished_at = now() - interval '37 hours'")
    own_sample.query(
        "insert into ml.releases (release, as_of, models, counts, published_at, status)"
        " values ('r1', '2026-05-31', '{}', '{}', now() - interval '3 days', 'live')"
    )
    evaluation = checked(own_sample)
    assert (evaluation.passed, evaluation.severity, evaluation.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    said = (evaluation.description or "").split("; ")
    assert "raw.ingest_files (and so " in evaluation.description
    assert " more sources) was last written 37 hours ago" in evaluation.description
    assert "ml.releases was last written 72 hours ago" in evaluation.description
    assert [each for each in said if each.endswith(" are usual")] == ["36 are usual", "36 are usual"]


def test_listens_are_as_old_as_they_are_on_the_date_of_the_run(sample: Dbt) -> None:
    late = checked(sample, AS_OF + timedelta(days=3))
    assert not late.passed
    assert (late.description or "").startswith("raw.listens was last written 7")
    # A backfill, for which they have hardly begun.
    assert checked(sample, AS_OF - timedelta(days=60)).passed
    # And a run without a date asks of today.
    assert "raw.listens" in (checked(sample, None).description or "")
