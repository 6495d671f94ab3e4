"""The checks of what has moved. What is plainly broken stops all that comes after it; the rest is told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from math import isfinite
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from assets import plots
from assets.catalogue import read_countries
from assets.drift import evaluations, features, lists, rankers, training
from assets.evaluation.store import read_evaluation
from assets.features.dates import MARTS
from assets.partitions import AS_OF_PARTITIONS
from assets.ranker.training import RankerConfig
from quality.checks.accepted import is_accepted
from quality.checks.tables import Row, table_of
from quality.column_drift import History, history_of
from quality.observations import ALL, Observation, Validation, blocks, keep, past
from warehouse.engine import adbc_reader, create_engine
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role

_WORST_SHOWN = 5
_TOLD = 5


def feature_drift_check(mart: str) -> dg.AssetChecksDefinition:
    """The check of one feature mart."""

    @dg.asset_check(
        asset=["features", mart],
        name=features.check_name(mart),
        blocking=True,
        partitions_def=AS_OF_PARTITIONS,
        description="Population stability and Jensen-Shannon distance of every number in it against a date a week or"
        " more before that was not refused. What has moved is a warning. A value that is not finite, or a column that"
        " is constant or null where it was not, stops what is built on it.",
    )
    def check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
        with _judging(context, warehouse, features.LEARNED_DAYS) as judging:
            moved = features.measure_mart(judging.connection, mart, judging.as_of, judging.history)
            return judging.result(moved.observations, _compared(moved.reference))

    return check


FEATURE_DRIFT_CHECKS = [feature_drift_check(mart) for mart in MARTS]


@dg.asset_check(
    asset="training_set",
    name="training_set_drift",
    partitions_def=AS_OF_PARTITIONS,
    description="The share of the candidates of the newest fold that were listened to, by slate and segment, is what it"
    " was in the folds before. It stops nothing.",
)
def training_set_drift(
    context: dg.AssetCheckExecutionContext, warehouse: PostgresResource, lake: LakeResource
) -> dg.AssetCheckResult:
    """Compare the labels of the newest fold with those of older ones."""
    with (
        _judging(context, warehouse, training.LEARNED_DAYS) as judging,
        adbc_reader(warehouse.url, Role.SERVICE) as reading,
    ):
        countries = partial(read_countries, reading)
        observations = training.measure_training_set(
            lake.open(), judging.as_of, judging.history, countries, RankerConfig()
        )
        return judging.result(observations, "labels are what they were in the folds before")


@dg.asset_check(
    asset="rankers",
    name="rankers_drift",
    partitions_def=AS_OF_PARTITIONS,
    description="On their holdouts, the rankers that serve this date are as well calibrated and as good as those of the"
    " trainings before, and candidates hold as much of what is listened to. It stops nothing.",
)
def rankers_drift(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Compare the cards of the champions with those before."""
    with _judging(context, warehouse, rankers.LEARNED_DAYS) as judging:
        observations = rankers.measure_rankers(judging.connection, judging.as_of, judging.history)
        return judging.result(observations, "rankers are what they were in the trainings before")


@dg.asset_check(
    asset="model_evaluations",
    name="evaluations_drift",
    partitions_def=AS_OF_PARTITIONS,
    description="Lists are as good as those of the dates before, by segment and country, and candidates hold as much of"
    " what was listened to, by source; coverage, novelty and popularity are what they were. It stops nothing.",
)
def evaluations_drift(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Compare the evaluation with those before."""
    with _judging(context, warehouse, evaluations.LEARNED_DAYS) as judging:
        evaluated = read_evaluation(judging.connection, judging.as_of)
        observations = evaluations.measure_evaluation(evaluated, judging.history)
        return judging.result(observations, "lists are as good as on the dates before")


# Checks of one asset run in any order: one of the release comes after those of the lists, whose figures it reads.
@dg.asset_check(
    asset="release",
    name="lists_drift",
    partitions_def=AS_OF_PARTITIONS,
    description="Scores are spread as in the last lists of the same model; coverage, popularity and what stays from"
    " before are what they were, by slate, segment and country. It stops nothing: `..._may_go_live` does.",
)
def lists_drift(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Compare the lists with those before."""
    with _judging(context, warehouse, lists.LEARNED_DAYS) as judging:
        observations = lists.measure_lists(judging.connection, judging.as_of, judging.history)
        return judging.result(observations, "lists are what they were on the dates before")


DRIFT_CHECKS = [*FEATURE_DRIFT_CHECKS, training_set_drift, rankers_drift, evaluations_drift, lists_drift]


@dataclass(frozen=True)
class _Judging:
    """What every check has: a connection, whose changes stay when it ends well, and what was observed before."""

    connection: Connection
    validation: Validation
    as_of: date
    history: History
    accepted: bool

    def result(self, observations: Sequence[Observation], nothing: str) -> dg.AssetCheckResult:
        """Keep the figures, and tell of them. nothing: what to say where all is well."""
        keep(self.connection, self.validation, observations, accepted=self.accepted)
        shown = moved_most(self.as_of, observations, self.history)
        return check_result(observations, nothing, shown, accepted=self.accepted)


@contextmanager
def _judging(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource, days: int) -> Iterator[_Judging]:
    """Of the check that is running. days: how far back figures are learned from."""
    run = context.op_execution_context
    (spec,) = context.check_specs
    as_of = date.fromisoformat(run.partition_key)
    of_run = Validation(spec.asset_key.to_user_string(), spec.name, run.run_id, as_of)
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        history = history_of(past(connection, of_run.asset, of_run.check_name, as_of, days))
        yield _Judging(connection, of_run, as_of, history, is_accepted(context, spec.key))


def check_result(
    observations: Sequence[Observation], compared: str, shown: dict[str, Any] | None = None, *, accepted: bool = False
) -> dg.AssetCheckResult:
    """Figures as metadata, each of all by its name, which Dagster plots over dates, those of segments in a table."""
    failed = sorted((each for each in observations if not each.passed), key=lambda each: each.severity != "critical")
    stops = blocks(failed, accepted=accepted)
    told = ("accepted although " if accepted else "") + "; ".join(each.expectation for each in failed[:_TOLD])
    more = f"; and {len(failed) - _TOLD} more" if len(failed) > _TOLD else ""
    figures = {each.metric: each.value for each in observations if each.segment == ALL and each.value is not None}
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
        description=f"{told}{more}" if failed else compared,
        metadata=figures | _tables(observations, failed) | (shown or {}),
    )


def _tables(observations: Sequence[Observation], failed: Sequence[Observation]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    if failed:
        tables["out_of_bounds"] = table_of([_row(each) for each in failed])
    segments = [each for each in observations if each.segment != ALL]
    if segments:
        tables["segments"] = table_of([_row(each) for each in segments])
    return tables


def _row(each: Observation) -> Row:
    return {
        "metric": each.metric,
        "segment": each.segment,
        "value": each.value,
        "least": each.low,
        "most": each.high,
        "learned_from": None if each.learned_from is None else each.learned_from.isoformat(),
        "learned_to": None if each.learned_to is None else each.learned_to.isoformat(),
        "passed": each.passed,
        "expectation": each.expectation,
    }


def _compared(reference: date | None) -> str:
    if reference is None:
        return "no features of a date a week to four weeks before that were not refused, so nothing to compare with"
    return f"nothing has moved since {reference} by more than it may"


def moved_most(as_of: date, observations: Sequence[Observation], history: History) -> dict[str, Any]:
    """A plot of the columns that moved most, over the dates; nothing where no distance was measured."""
    psi = {
        each.metric: each.value
        for each in observations
        if each.metric.startswith("psi of ") and each.value is not None and isfinite(each.value)
    }
    worst = sorted(psi, key=lambda metric: -psi[metric])[:_WORST_SHOWN]
    if not worst:
        return {}
    over_time = {
        metric.removeprefix("psi of "): [*reversed(history.get((metric, ALL), ())), (as_of, psi[metric])]
        for metric in worst
    }
    return {"moved_most": dg.MetadataValue.md(plots.lines("Population stability of what moved most", over_time))}
