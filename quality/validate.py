"""Run a suite with Great Expectations: against the warehouse, or a small frame summed up from the lake."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Executable, TextClause, event, text

from quality.bands import LEAST_DATES, Bounds, level_bounds
from quality.failing import first_rows
from quality.observations import Observation, Past
from quality.suites.suite import Expectation, Suite, between
from warehouse.engine import create_engine, session_url, sqlalchemy_url
from warehouse.roles import Role

# Enough to see what they have in common; the query gives the others.
FAILING_ROWS_SHOWN = 20


@dataclass(frozen=True)
class ExpectationOutcome:
    """What one expectation observed.

    observation: its figure and verdict. detail: the figure as text, or why it could not be evaluated. query: of all
    rows that failed, None where it is not rows that fail. rows: the first of them.
    """

    observation: Observation
    detail: str
    protects_from: str
    query: str | None = None
    rows: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ValidationOutcome:
    """What a suite observed. result: as Great Expectations itself has it, for its Data Docs."""

    suite: str
    outcomes: tuple[ExpectationOutcome, ...]
    result: Any

    @property
    def passed(self) -> bool:
        return all(each.observation.passed for each in self.outcomes)


def validate(warehouse_url: str, suite: Suite, role: Role, past: Sequence[Past] = ()) -> ValidationOutcome:
    """Validate the rows of a suite, those of a query inside PostgreSQL and with what `role` may read.

    past: what the same suite observed on the dates before, from which bounds are learned.

    An expectation that raises (a missing column, say) counts as failed, with its error as the detail.
    """
    # The import takes seconds and the library phones home unless told otherwise: neither belongs at module import.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch, given = _batch(context, warehouse_url, suite, role)
    bands = {each.metric: _learned(each, past) for each in suite.expectations}
    definition = gx.ValidationDefinition(
        name=suite.name,
        data=batch,
        suite=context.suites.add(
            gx.ExpectationSuite(name=suite.name, expectations=[_expected(gx, each) for each in suite.expectations])
        ),
    )
    result = context.validation_definitions.add(definition).run(
        batch_parameters=given,
        expectation_parameters=_parameters(suite, bands),
        result_format="BASIC",
    )
    # Great Expectations answers in an order of its own.
    by_metric: dict[str, Any] = {_metric(each): each for each in result.results}
    with create_engine(warehouse_url, role).connect() as connection:
        outcomes = tuple(
            _outcome(connection, suite, each, bands[each.metric], by_metric[each.metric]) for each in suite.expectations
        )
    return ValidationOutcome(suite.name, outcomes, result)


def _batch(context: Any, warehouse_url: str, suite: Suite, role: Role) -> tuple[Any, dict[str, Any] | None]:
    """The rows that are judged, and the parameters that they are asked for with."""
    if not isinstance(suite.rows, str):
        asset = context.data_sources.add_pandas("lake").add_dataframe_asset(suite.name)
        return asset.add_batch_definition_whole_dataframe("all_rows"), {"dataframe": suite.rows}
    source = context.data_sources.add_postgres(
        "warehouse", connection_string=sqlalchemy_url(session_url(warehouse_url, role))
    )
    _bring_few_rows(source.get_execution_engine().engine, suite.rows, suite.expectations)
    asset = source.add_query_asset(suite.name, query=suite.rows)
    return asset.add_batch_definition_whole_table("all_rows"), None


def _bring_few_rows(engine: Engine, query: str, expectations: Sequence[Expectation]) -> None:
    """Let queries run for few rows or none where all of their rows would be brought here, by a driver that buffers.

    To learn the names of its columns, Great Expectations runs a suite's whole query; and a query of unexpected rows it
    runs besides counting them, for the first ones. What a suite expects is asked in subqueries: that each of them fails
    on its fault is tested.
    """
    unexpected = tuple(
        str(each.arguments["unexpected_rows_query"]).partition("{batch}")[0]
        for each in expectations
        if "unexpected_rows_query" in each.arguments
    )

    def few_rows(
        connection: Connection, statement: Executable, multiparams: Any, params: Any, options: Any
    ) -> tuple[Executable, Any, Any]:
        if isinstance(statement, TextClause) and statement.text == query:
            statement = text(f"select * from ({query}) as batch limit 0")
        elif isinstance(statement, TextClause) and statement.text.startswith(unexpected):
            statement = text(f"select * from ({statement.text}) as unexpected limit {FAILING_ROWS_SHOWN}")
        return statement, multiparams, params

    event.listen(engine, "before_execute", few_rows, retval=True)


def _learned(expectation: Expectation, past: Sequence[Past]) -> Bounds | None:
    if expectation.learned_floor is None:
        return None
    before = [(each.as_of, each.value) for each in past if each.metric == expectation.metric]
    bounds = level_bounds(before, part=expectation.learned_floor)
    return bounds if bounds is not None and bounds.dates >= LEAST_DATES else None


def _expected(gx: Any, expectation: Expectation) -> Any:
    arguments = dict(expectation.arguments)
    if expectation.learned_floor is not None:
        arguments["min_value"] = {"$PARAMETER": _parameter(expectation)}
    meta = {
        "metric": expectation.metric,
        "owner": expectation.owner,
        "notes": f"Protects from {expectation.protects_from}. Owner: {expectation.owner}.",
    }
    return getattr(gx.expectations, expectation.kind)(**arguments, severity=expectation.severity, meta=meta)


def _parameters(suite: Suite, bands: Mapping[str, Bounds | None]) -> dict[str, float]:
    """The learned bounds by the names that the expectations call them; the fixed ones where nothing is learned yet."""
    return {
        _parameter(each): _least(each, bands[each.metric])
        for each in suite.expectations
        if each.learned_floor is not None
    }


def _parameter(expectation: Expectation) -> str:
    return expectation.metric.replace(" ", "_")


def _least(expectation: Expectation, learned: Bounds | None) -> Any:
    """The min_value that counts: the fixed one, or what is learned where that is more."""
    fixed: Any = expectation.arguments.get("min_value")
    if learned is None:
        return fixed
    low: Any = learned.low
    # Great Expectations cuts the decimals of a number of rows off.
    return max(fixed, math.ceil(low) if expectation.kind == "ExpectTableRowCountToBeBetween" else low)


def _metric(result: Any) -> str:
    return str(result.expectation_config.meta["metric"])


def _outcome(
    connection: Connection, suite: Suite, expectation: Expectation, learned: Bounds | None, result: Any
) -> ExpectationOutcome:
    errors = [
        info["exception_message"] for info in _exceptions(result.exception_info or {}) if info.get("raised_exception")
    ]
    figures = result.result or {}
    observed = figures.get("observed_value", figures.get("unexpected_count"))
    rows_fail = "observed_value" not in figures
    observation = Observation(
        metric=expectation.metric,
        value=None if errors or observed is None else float(observed),
        passed=bool(result.success) and not errors,
        expectation=_said(expectation, learned),
        severity=expectation.severity,
        low=None if rows_fail else _least(expectation, learned),
        high=0.0 if rows_fail else expectation.arguments.get("max_value"),
        learned_from=learned.learned_from if learned else None,
        learned_to=learned.learned_to if learned else None,
    )
    query = None if observation.passed or errors else _failing(suite, expectation)
    return ExpectationOutcome(
        observation,
        "; ".join(errors) if errors else "" if observed is None else str(observed),
        expectation.protects_from,
        query,
        first_rows(connection, query, FAILING_ROWS_SHOWN) if query else (),
    )


def _said(expectation: Expectation, learned: Bounds | None) -> str:
    """What is expected, in words."""
    if "description" in expectation.arguments:
        return str(expectation.arguments["description"])
    said = between(expectation.metric, _least(expectation, learned), expectation.arguments.get("max_value"))
    return f"{said}, as from {learned.learned_from} to {learned.learned_to}" if learned else said


def _failing(suite: Suite, expectation: Expectation) -> str | None:
    """A query of all rows that failed; None where the figure is of all rows together, or the rows are in no table."""
    if "unexpected_rows_query" in expectation.arguments:
        query = str(expectation.arguments["unexpected_rows_query"]).replace("{batch}", "batch")
    elif expectation.failing is not None:
        query = f"select * from batch where {expectation.failing}"
    else:
        return None
    return f"with batch as ({suite.rows}) {query}" if isinstance(suite.rows, str) else None


def _exceptions(info: dict[str, Any]) -> list[dict[str, Any]]:
    return [info] if "raised_exception" in info else list(info.values())
