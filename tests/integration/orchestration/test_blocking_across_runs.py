"""What a check refused in one run, a step of a later run is not built on, until it is repaired or accepted."""

import os
from collections.abc import Iterator
from unittest.mock import patch

import dagster as dg
import pytest
from nightly_faults import NO_LAST_DAY
from pipeline_process import Pipeline
from sample_pipeline import AS_OF, FOLLOWING

from orchestration.definitions import defs
from orchestration.instance import open_instance
from quality.checks import newest_day
from warehouse.settings import Settings

pytestmark = pytest.mark.timeout(300)

FEATURES = dg.AssetKey(["features", "feat_user"])


class Runs:
    """Runs of parts of the code location, each by itself, in the instance of a pipeline."""

    def __init__(self, pipeline: Pipeline, instance: dg.DagsterInstance) -> None:
        self.pipeline, self.instance = pipeline, instance

    def run(
        self, assets: set[dg.AssetKey], checks: set[dg.AssetCheckKey], as_of: str | None = AS_OF, **tags: str
    ) -> dg.ExecuteInProcessResult:
        part = defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=assets, asset_check_selection=checks
        )
        environment = {name: value for name, value in self.pipeline.environment.items() if name.startswith("AUDOTICS_")}
        with patch.dict(os.environ, environment):
            return part.execute_in_process(
                instance=self.instance,
                tags=({"dagster/partition": as_of} if as_of else {}) | tags,
                raise_on_error=False,
            )

    def judge(self, check: dg.AssetCheckKey, as_of: str | None = AS_OF) -> bool:
        (evaluation,) = self.run(set(), {check}, as_of).get_asset_check_evaluations()
        return evaluation.passed

    def make(self, asset: str, as_of: str | None = AS_OF, **tags: str) -> dg.ExecuteInProcessResult:
        return self.run({dg.AssetKey(asset.split("/"))}, set(), as_of, **tags)


def refusal(done: dg.ExecuteInProcessResult) -> str:
    (failure,) = (event for event in done.all_events if event.event_type is dg.DagsterEventType.STEP_FAILURE)
    return failure.step_failure_data.user_failure_data.description or ""


@pytest.fixture
def runs(own_pipeline: Pipeline) -> Iterator[Runs]:
    with open_instance(Settings(home=own_pipeline.home), own_pipeline.warehouse_url) as instance:
        yield Runs(own_pipeline, instance)


def test_lists_are_not_made_of_features_that_an_earlier_run_refused(runs: Runs) -> None:
    assert runs.make("recommendations").success
    check = dg.AssetCheckKey(FEATURES, "feat_user_suite")
    made = "select max(made_at) from ml.recommendation_batches"
    before = runs.pipeline.query(made)
    runs.pipeline.query("update features.feat_user set listens_7d = listens_7d + 1000 returning 1")
    assert not runs.judge(check)

    said = refusal(runs.make("recommendations"))
    assert said.startswith("features/feat_user:feat_user_suite failed in run ")
    assert "so nothing is built on it: windows that do not nest: 290 (expected: windows nest" in said
    assert "audotics/accept=feat_user_suite" in said
    assert runs.pipeline.query(made) == before

    assert runs.make("recommendations", **{"audotics/accept": "another_check, feat_user_suite"}).success
    runs.pipeline.query("update features.feat_user set listens_7d = listens_7d - 1000 returning 1")
    assert runs.judge(check)
    assert runs.make("recommendations").success


def test_what_a_run_made_and_did_not_live_to_judge_is_not_built_on(runs: Runs) -> None:
    check = dg.AssetCheckKey(FEATURES, "feat_user_suite")
    with patch("quality.checks.suites.validate", side_effect=RuntimeError("the connection was lost")):
        assert not runs.run({FEATURES}, {check}).success
    assert "the check did not come to an end" in refusal(runs.make("recommendations"))
    assert runs.judge(check)
    assert runs.make("recommendations").success


@pytest.mark.slow
def test_candidates_are_not_made_of_models_whose_dbt_tests_failed(runs: Runs) -> None:
    (key,) = (
        key
        for key in defs.resolve_asset_graph().asset_check_keys
        if key.asset_key == dg.AssetKey(["core", "fct_listens"]) and key.name.startswith("never_null")
    )
    runs.pipeline.query(
        "alter table core.fct_listens alter column source drop not null;"
        " update core.fct_listens set source = null where user_key = 0 returning 1"
    )
    assert not runs.judge(key)
    assert refusal(runs.make("candidates")).startswith(f"core/fct_listens:{key.name} failed in run ")


def test_a_newest_day_that_was_refused_stops_its_own_date_whatever_another_date_was_found_to_be(runs: Runs) -> None:
    runs.pipeline.query(f"{NO_LAST_DAY}; select 1")
    staging = "staging/stg_listens"
    assert not runs.judge(newest_day.KEY, FOLLOWING)
    # Nor is a date stopped by the day after it.
    assert runs.make(staging, AS_OF).success
    assert runs.judge(newest_day.KEY, AS_OF)
    # Without a date, the latest one counts.
    for as_of in (FOLLOWING, None):
        said = refusal(runs.make(staging, as_of))
        assert said.startswith("raw/listens:newest_day_is_whole failed in run ")
        assert "built on it: 2026-05-18, " in said and "0.0 listens, where at least" in said
    # Nor do views that lie between stand for what they show, and no list is made or published of that date.
    release = dg.AssetKey("release")
    for done in (
        runs.make("core/fct_listens", FOLLOWING),
        runs.make("recommendations", FOLLOWING),
        runs.run({release}, {dg.AssetCheckKey(release, "is_live")}, FOLLOWING),
    ):
        assert refusal(done).startswith("raw/listens:newest_day_is_whole failed in run ")
    assert not runs.judge(newest_day.KEY, None)
    assert "built on it: 2026-05-18, " in refusal(runs.make(staging, None))
    assert runs.make(staging, FOLLOWING, **{"audotics/accept": "newest_day_is_whole"}).success
