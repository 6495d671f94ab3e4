"""A run without a date does not let a day pass that was refused."""

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from quality.checks.accepted import ACCEPT_TAG
from quality.checks.arrivals import arrivals_check
from quality.days import CHECK_NAME
from warehouse.resource import PostgresResource

LISTENS = dg.AssetSpec(["raw", "listens"])


@dg.asset_check(asset=LISTENS.key, name=CHECK_NAME, blocking=True)
def a_night_that_stopped() -> dg.AssetCheckResult:
    """Stands for a night whose day is missing."""
    return dg.AssetCheckResult(passed=False, description="no listens")


def verdict(instance: dg.DagsterInstance, check: dg.AssetChecksDefinition, accepted: str = "") -> AssetCheckEvaluation:
    @dg.multi_asset(specs=[LISTENS])
    def raw_listens() -> None:
        """They are there."""

    job = dg.define_asset_job("landing", selection=dg.AssetSelection.all())
    layer = dg.Definitions([raw_listens], asset_checks=[check], jobs=[job], resources={"warehouse": PostgresResource()})
    done = layer.resolve_job_def("landing").execute_in_process(
        instance=instance, tags={ACCEPT_TAG: accepted}, raise_on_error=False
    )
    (evaluation,) = done.get_asset_check_evaluations()
    return evaluation


@pytest.mark.parametrize(
    ("accepted", "severity"), [("", dg.AssetCheckSeverity.ERROR), (CHECK_NAME, dg.AssetCheckSeverity.WARN)]
)
def test_a_run_without_a_date_says_what_the_last_one_said(accepted: str, severity: dg.AssetCheckSeverity) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert not verdict(instance, a_night_that_stopped).passed
        verdict(instance, arrivals_check)
        again = verdict(instance, arrivals_check, accepted)
    assert (again.passed, again.severity) == (False, severity)
    assert again.description == "the run has no date, so this is what was found before: no listens"


def test_where_nothing_was_said_before_no_day_is_the_newest() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert verdict(instance, arrivals_check).passed
