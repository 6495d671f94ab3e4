"""Run a suite with Great Expectations against the warehouse."""

import os
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Executable, TextClause, event, text

from quality.suites import Suite
from warehouse.engine import session_url, sqlalchemy_url
from warehouse.roles import Role


@dataclass(frozen=True)
class ExpectationOutcome:
    """What one expectation observed; `detail` is a figure or the reason it could not be evaluated."""

    expectation: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class ValidationOutcome:
    """What a suite observed."""

    suite: str
    passed: bool
    outcomes: tuple[ExpectationOutcome, ...]


def validate(warehouse_url: str, suite: Suite, role: Role) -> ValidationOutcome:
    """Validate the rows of the suite's query, inside PostgreSQL and with what `role` may read.

    An expectation that raises (a missing column, say) counts as failed, with its error as the detail.
    """
    # The import takes seconds and the library phones home unless told otherwise: neither belongs at module import.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_postgres(
        "warehouse", connection_string=sqlalchemy_url(session_url(warehouse_url, role))
    )
    _name_columns_without_rows(source.get_execution_engine().engine, suite.query)
    batch = source.add_query_asset(suite.name, query=suite.query).add_batch_definition_whole_table("all_rows")
    expectations = [
        getattr(gx.expectations, expectation.kind)(**expectation.arguments) for expectation in suite.expectations
    ]
    definition = gx.ValidationDefinition(
        name=suite.name,
        data=batch,
        suite=context.suites.add(gx.ExpectationSuite(name=suite.name, expectations=expectations)),
    )
    result = context.validation_definitions.add(definition).run()
    outcomes = tuple(_outcome(each) for each in result.results)
    return ValidationOutcome(suite=suite.name, passed=bool(result.success), outcomes=outcomes)


def _name_columns_without_rows(engine: Engine, query: str) -> None:
    """Let the query run for no row where it is run alone.

    To learn the names of its columns, Great Expectations runs a suite's whole query, and the driver would bring all its
    rows here. What a suite expects is asked of the query as a subquery: that each of them fails on its fault is tested.
    """

    def without_rows(
        connection: Connection, statement: Executable, multiparams: Any, params: Any, options: Any
    ) -> tuple[Executable, Any, Any]:
        if isinstance(statement, TextClause) and statement.text == query:
            statement = text(f"select * from ({query}) as batch limit 0")
        return statement, multiparams, params

    event.listen(engine, "before_execute", without_rows, retval=True)


def _outcome(result: Any) -> ExpectationOutcome:
    config = result.expectation_config
    arguments = {
        name: value
        for name, value in config.kwargs.items()
        if name not in ("batch_id", "unexpected_rows_query") and value is not None
    }
    described = config.description or f"{config.type} {arguments}"
    errors = [
        info["exception_message"] for info in _exceptions(result.exception_info or {}) if info.get("raised_exception")
    ]
    if errors:
        return ExpectationOutcome(described, False, "; ".join(errors))
    figures = result.result or {}
    observed = figures.get("observed_value", figures.get("unexpected_count", ""))
    return ExpectationOutcome(described, bool(result.success), str(observed))


def _exceptions(info: dict[str, Any]) -> list[dict[str, Any]]:
    return [info] if "raised_exception" in info else list(info.values())
