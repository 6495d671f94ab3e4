"""The suites as blocking asset checks: a failing one stops everything downstream in the run."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import pandas as pd

from quality.bands import LEARNED_DAYS
from quality.checks.accepted import is_accepted
from quality.checks.evidence import evidence
from quality.checks.tables import table_of
from quality.data_docs import write_page
from quality.observations import Validation, blocks, keep, past
from quality.suites import core, features, lists, raw
from quality.suites.lake import profile
from quality.suites.suite import Suite
from quality.validate import ExpectationOutcome, ValidationOutcome, validate
from warehouse.engine import create_engine
from warehouse.lake import Lake
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role
from warehouse.settings import load_settings


@dg.asset_check(
    asset=["raw", "listens"],
    name="raw_listens_suite",
    blocking=True,
    description="Great Expectations on the listens of the files loaded in the 7 days up to the last load that brought"
    " any: plausible, keyed, every row accounted for. Of older files, the counts on record.",
)
def raw_listens_check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Validate the raw listens."""
    return judge(context, warehouse, raw.raw_listens(), Role.TRANSFORMER)


def build_core_checks() -> list[dg.AssetChecksDefinition]:
    """One blocking check per dimension that everything else is joined to."""
    return [_core_check(build_suite.__name__, build_suite) for build_suite in (core.dim_tracks, core.dim_users)]


def _core_check(model: str, build_suite: Callable[[], Suite]) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=["core", model], name=f"{model}_suite", blocking=True, description=build_suite.__doc__)
    def check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
        return judge(context, warehouse, build_suite(), Role.SERVICE)

    return check


def build_suite_checks(partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """One blocking check per table of a date: features, evaluations, lists."""
    of_features = (
        features.feat_user,
        features.feat_track,
        features.feat_user_track,
        features.feat_user_artist,
        features.feat_artist,
    )
    return [
        *(_dated_check(dg.AssetKey(["features", suite.__name__]), suite, partitions) for suite in of_features),
        _dated_check(dg.AssetKey("model_evaluations"), lists.model_evaluations, partitions),
        _dated_check(dg.AssetKey("recommendations"), lists.recommendations, partitions),
    ]


def _blocking_check(
    asset: dg.AssetKey, build_suite: Callable[..., Suite], partitions: dg.PartitionsDefinition
) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    """Makes the check of a suite, which has its name and says what its docstring does."""
    return dg.asset_check(
        asset=asset,
        name=f"{build_suite.__name__}_suite",
        blocking=True,
        partitions_def=partitions,
        description=build_suite.__doc__,
    )


def _dated_check(
    asset: dg.AssetKey, build_suite: Callable[[date], Suite], partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    @_blocking_check(asset, build_suite, partitions)
    def check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
        as_of = date.fromisoformat(context.op_execution_context.partition_key)
        return judge(context, warehouse, build_suite(as_of), Role.SERVICE)

    return check


def build_lake_check(
    build_suite: Callable[[Mapping[str, pd.DataFrame]], Suite],
    files: Callable[[Lake, date], Mapping[Any, str]],
    partitions: dg.PartitionsDefinition,
) -> dg.AssetChecksDefinition:
    """A blocking check of the Parquet files of an asset that has the name of its suite, on sums of their columns.

    files: of a date, by slate.
    """
    asset = build_suite.__name__

    @_blocking_check(dg.AssetKey(asset), build_suite, partitions)
    def check(
        context: dg.AssetCheckExecutionContext, warehouse: PostgresResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        as_of, store = date.fromisoformat(context.op_execution_context.partition_key), lake.open()
        profiles = {
            str(slate): profile(store.read_parquet(path, made_by=asset)) for slate, path in files(store, as_of).items()
        }
        return judge(context, warehouse, build_suite(profiles), Role.SERVICE)

    return check


def judge(
    context: dg.AssetCheckExecutionContext, warehouse: PostgresResource, suite: Suite, role: Role
) -> dg.AssetCheckResult:
    """Run a suite as the check that is running, keep what it observed, and write its page of Data Docs."""
    (spec,) = context.check_specs
    asset = spec.asset_key.to_user_string()
    run = context.op_execution_context
    as_of = date.fromisoformat(run.partition_key) if run.has_partition_key else None
    engine = create_engine(warehouse.url, Role.SERVICE)
    with engine.connect() as connection:
        before = past(connection, asset, spec.name, as_of, LEARNED_DAYS) if as_of else []
    outcome = validate(warehouse.url, suite, role, before)
    accepted = is_accepted(context, spec.key)
    judged = Validation(asset, spec.name, run.run_id, as_of)
    page = f"{run.run_id}/{asset.replace('/', '.')}.{spec.name}.html"
    with engine.begin() as connection:
        observed = [each.observation for each in outcome.outcomes]
        keep(connection, judged, observed, page=page, accepted=accepted)
    title = f"{suite.name} as of {as_of}" if as_of else suite.name
    try:
        write_page(load_settings().home, page, title, outcome.result)
    except OSError as error:
        # The verdict does not hang on it.
        context.log.warning(f"no page of Data Docs was written: {error}")
    return _as_check_result(outcome, page, accepted)


def _as_check_result(outcome: ValidationOutcome, page: str, accepted: bool) -> dg.AssetCheckResult:
    failed = [each for each in outcome.outcomes if not each.observation.passed]
    said = "; ".join(map(_fault, sorted(failed, key=lambda each: each.observation.severity != "critical")))
    stops = blocks((each.observation for each in failed), accepted=accepted)
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
        description=f"{'accepted although ' if accepted else ''}{said}"
        if failed
        else f"{len(outcome.outcomes)} expectations hold",
        metadata={
            # Dagster shows metadata by name: the failing rows stand before all that was expected.
            "suite": _expectations(outcome.outcomes),
            "data_docs": dg.MetadataValue.url(f"{load_settings().data_docs_url}/{page}"),
            "evaluated": len(outcome.outcomes),
            "failed": len(failed),
            **{f"observed/{each.observation.metric}": value for each, value in _figures(outcome.outcomes)},
            **{name: value for each in failed for name, value in _evidence(each).items()},
        },
    )


def _fault(outcome: ExpectationOutcome) -> str:
    return f"{outcome.observation.metric}: {outcome.detail} (expected: {outcome.observation.expectation})"


def _figures(outcomes: Sequence[ExpectationOutcome]) -> list[tuple[ExpectationOutcome, float]]:
    """What Dagster plots over dates."""
    return [(each, each.observation.value) for each in outcomes if each.observation.value is not None]


def _expectations(outcomes: Sequence[ExpectationOutcome]) -> dg.TableMetadataValue:
    return table_of(
        [
            {
                "expectation": each.observation.expectation,
                "passed": each.observation.passed,
                "observed": each.detail,
                "severity": each.observation.severity,
                "protects_from": each.protects_from,
            }
            for each in outcomes
        ]
    )


def _evidence(outcome: ExpectationOutcome) -> dict[str, Any]:
    return {} if outcome.query is None else evidence(outcome.observation.metric, outcome.query, outcome.rows)
