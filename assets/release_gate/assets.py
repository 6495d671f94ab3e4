"""The checks that stop lists before they go live: one for each slate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from assets.partitions import AS_OF_PARTITIONS
from assets.ranker.registry import ordering_of_version
from assets.recommendations.store import models_of_lists
from assets.release_gate.bounds import Refusal
from assets.release_gate.failing import failing_rows
from assets.release_gate.measures import ALL, NAMES, Measured
from assets.release_gate.shadow import Shadow, comparable_dates, measure_shadow, served_before
from assets.release_gate.verdicts import judge, last_good
from assets.slates import Slate
from quality.checks.evidence import evidence
from quality.checks.tables import Row, table_of
from quality.failing import first_rows
from warehouse.engine import adbc_reader, create_engine
from warehouse.lake import Lake
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role

_ROWS_SHOWN = 5


def check_name(slate: str) -> str:
    """The name of the check of a slate."""
    return f"{slate}_may_go_live"


@dg.multi_asset_check(
    name="release_gate",
    specs=[
        dg.AssetCheckSpec(
            check_name(slate),
            asset="recommendations",
            blocking=True,
            partitions_def=AS_OF_PARTITIONS,
            description=f"Of {slate}, who should have a list has one; lists differ from each other, hold nothing"
            " unknown or blocked, and are not unlike those of the nights before. Another model or other code than"
            " before would not have served a sample of listeners significantly worse than what did serve them two weeks"
            " ago (what this can miss, and where it is unjust, says docs/adr/0057). Where they are refused, the last"
            " good ones stay and the other slates go live: a warning. Where all slates are, nothing goes live.",
        )
        for slate in Slate
    ],
)
def release_gate(
    context: dg.AssetCheckExecutionContext, warehouse: PostgresResource, lake: LakeResource
) -> Iterator[dg.AssetCheckResult]:
    """Measure the lists of the date, judge them slate by slate, and keep figures and verdicts."""
    as_of = date.fromisoformat(context.op_execution_context.partition_key)
    # First, as it may take minutes, which no transaction should.
    shadow = _shadow(warehouse.url, lake.open(), as_of)
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        measured, refused = judge(connection, as_of, shadow.measured)
        kept = last_good(connection, as_of, released=True)
        made = {each.slate for each in measured if each.measure == "users"}
        # Without another slate that could go live, there is nothing to release.
        blocks = bool(made) and all(refused[slate] for slate in made)
        results = [
            _result(
                connection,
                as_of,
                _Found(
                    slate,
                    [each for each in measured if each.slate == slate],
                    refused.get(slate, []),
                    kept.get(slate),
                    shadow.said.get(slate),
                ),
                blocks,
            )
            for slate in Slate
        ]
    yield from results


@dataclass(frozen=True)
class _Found:
    """What was measured of a slate and is out of bounds, which lists stay where it is refused, and what the shadow says
    in words, if anything.
    """

    slate: str
    figures: Sequence[Measured]
    refused: Sequence[Refusal]
    kept: date | None
    shadow: str | None


def _shadow(url: str, lake: Lake, as_of: date) -> Shadow:
    with create_engine(url, Role.TRANSFORMER).connect() as connection:
        dates = comparable_dates(connection, as_of)
    with create_engine(url, Role.SERVICE).connect() as connection:
        served = served_before(connection, as_of, dates)
        models = {
            slate: ordering_of_version(connection, lake, version)[slate]
            for slate, version in models_of_lists(connection, as_of).items()
            if served[slate].day
        }
    with adbc_reader(url, Role.SERVICE) as connection:
        return measure_shadow(connection, as_of, models, served)


def _result(connection: Connection, as_of: date, found: _Found, blocks: bool) -> dg.AssetCheckResult:
    shadow = {"shadow": found.shadow} if found.shadow else {}
    return dg.AssetCheckResult(
        check_name=check_name(found.slate),
        passed=not found.refused,
        severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
        description=_said(found, blocks),
        metadata=_figures(found.figures) | shadow | _evidence(connection, as_of, found.slate, found.refused),
    )


def _said(found: _Found, blocks: bool) -> str:
    slate = found.slate
    if not found.refused:
        users = next((each.value for each in found.figures if each.measure == "users"), 0)
        return f"{users:,.0f} users have a list that may go live" if users else f"nobody can have a list of {slate}"
    why = "; ".join(each.reason for each in found.refused)
    if blocks:
        return f"{slate} is refused, as every slate is, and what is live stays: {why}"
    stays = (
        f"its lists as of {found.kept} stay" if found.kept else "there are no earlier lists, so the release is without"
    )
    return f"{slate} is refused, and {stays}: {why}"


def _figures(figures: Sequence[Measured]) -> dict[str, Any]:
    """Each figure by itself, which Dagster plots over dates, and those of segments in a table."""
    rows: list[Row] = [
        {"measure": each.measure, "segment": each.segment, "value": each.value}
        for each in figures
        if each.segment != ALL
    ]
    table = {"segments": table_of(rows)} if rows else {}
    return {each.measure: each.value for each in figures if each.segment == ALL} | table


def _evidence(connection: Connection, as_of: date, slate: str, refused: Sequence[Refusal]) -> dict[str, Any]:
    """Of each figure out of bounds: what it is, its bound, a few of the rows behind it, and the query of all."""
    found: dict[str, Any] = {}
    for each in refused:
        name = f"{each.measure} of {each.segment}"
        query = failing_rows(each, slate, as_of)
        found[f"refused/{name}"] = f"{NAMES[each.measure]}: {each.value:.4g}, bound {each.bound:.4g}"
        found |= evidence(name, query, first_rows(connection, query, _ROWS_SHOWN))
    return found
