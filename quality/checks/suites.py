"""The suites as blocking asset checks: a failing one stops everything downstream in the run."""

from collections.abc import Callable
from datetime import date

import dagster as dg

from quality import suites
from quality.suites import Suite
from quality.validate import ValidationOutcome, validate
from warehouse.resource import PostgresResource
from warehouse.roles import Role


@dg.asset_check(
    asset=["raw", "listens"],
    name="raw_listens_suite",
    blocking=True,
    description="Great Expectations on the listens of the files loaded in the 7 days up to the last load that brought"
    " any: plausible, keyed, every row accounted for. Of older files, the counts on record.",
)
def raw_listens_check(warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Validate the raw listens."""
    return _as_check_result(validate(warehouse.url, suites.raw_listens(), Role.TRANSFORMER))


def build_feature_checks(partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """One blocking check per feature model that rankers read, on the run's own `as_of`."""
    build_suites = (
        suites.feat_user,
        suites.feat_track,
        suites.feat_user_track,
        suites.feat_user_artist,
        suites.feat_artist,
    )
    return [_feature_check(build_suite.__name__, build_suite, partitions) for build_suite in build_suites]


def _feature_check(
    model: str, build_suite: Callable[[date], Suite], partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=["features", model],
        name=f"{model}_suite",
        blocking=True,
        partitions_def=partitions,
        description=build_suite.__doc__,
    )
    def check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
        as_of = date.fromisoformat(context.op_execution_context.partition_key)
        return _as_check_result(validate(warehouse.url, build_suite(as_of), Role.SERVICE))

    return check


def _as_check_result(outcome: ValidationOutcome) -> dg.AssetCheckResult:
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("expectation", "string"),
            dg.TableColumn("passed", "bool"),
            dg.TableColumn("observed", "string"),
        ]
    )
    records = [
        dg.TableRecord({"expectation": each.expectation, "passed": each.passed, "observed": each.detail})
        for each in outcome.outcomes
    ]
    failed = [each.expectation for each in outcome.outcomes if not each.passed]
    return dg.AssetCheckResult(
        passed=outcome.passed,
        description="failed: " + "; ".join(failed) if failed else f"{len(records)} expectations hold",
        metadata={
            "expectations": dg.MetadataValue.table(records, schema),
            "evaluated": len(records),
            "failed": len(failed),
        },
    )
