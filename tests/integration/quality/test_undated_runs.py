"""A run without a date does not let a day pass that was refused."""

from datetime import date

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from quality.checks.accepted import ACCEPT_TAG
from quality.checks.arrivals import arrivals_check
from quality.checks.newest_day import ASSET
from quality.days import CHECK_NAME
from quality.observations import Observation, Validation, keep
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role

NIGHT, NIGHT_BEFORE = date(2026, 5, 19), date(2026, 5, 18)


def judged(warehouse_url: str, run_id: str, as_of: date, passed: bool) -> None:
    """A verdict on record, of a night that stopped where it did not pass."""
    listens = Observation("listens", float(passed), passed, "as many as usual")
    with create_engine(warehouse_url, Role.SERVICE).begin() as connection:
        keep(connection, Validation(ASSET.to_user_string(), CHECK_NAME, run_id, as_of), [listens])


@dg.asset_check(asset=ASSET, name=CHECK_NAME, blocking=True)
def a_night_that_stopped() -> dg.AssetCheckResult:
    """Stands for a night whose day is missing."""
    return dg.AssetCheckResult(passed=False, description="no listens")


def run(
    instance: dg.DagsterInstance, check: dg.AssetChecksDefinition, accepted: str = ""
) -> tuple[str, AssetCheckEvaluation]:
    """A run without a date: its id, and what the check said."""

    @dg.multi_asset(specs=[dg.AssetSpec(ASSET)])
    def raw_listens() -> None:
        """They are there."""

    job = dg.define_asset_job("landing", selection=dg.AssetSelection.all())
    layer = dg.Definitions([raw_listens], asset_checks=[check], jobs=[job], resources={"warehouse": PostgresResource()})
    done = layer.resolve_job_def("landing").execute_in_process(
        instance=instance, tags={ACCEPT_TAG: accepted}, raise_on_error=False
    )
    (evaluation,) = done.get_asset_check_evaluations()
    return done.run_id, evaluation


@pytest.mark.parametrize(
    ("accepted", "severity"), [("", dg.AssetCheckSeverity.ERROR), (CHECK_NAME, dg.AssetCheckSeverity.WARN)]
)
def test_a_run_without_a_date_says_what_was_said_of_the_latest_one(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch, accepted: str, severity: dg.AssetCheckSeverity
) -> None:
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", warehouse_url)
    with dg.DagsterInstance.ephemeral() as instance:
        run_id, _ = run(instance, a_night_that_stopped)
        judged(warehouse_url, run_id, NIGHT, passed=False)
        judged(warehouse_url, "an older date, put right since", NIGHT_BEFORE, passed=True)
        run(instance, arrivals_check)
        _, again = run(instance, arrivals_check, accepted)
    assert (again.passed, again.severity) == (False, severity)
    assert again.description == "the run has no date, so this is what was found before: no listens"


def test_where_nothing_was_said_before_no_day_is_the_newest(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_WAREHOUSE_URL", warehouse_url)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(instance, arrivals_check)[1].passed
