"""What a suite is made of."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from quality.observations import Severity

# Who is asked when an expectation fails: the owner of the assets.
OWNER = "team:data-engineering"


@dataclass(frozen=True)
class Expectation:
    """Something that is expected of rows.

    metric: what the observation is called. kind: the class name in `great_expectations.expectations`. protects_from:
    what would happen, or has happened, where it does not hold. failing: the rows that fail, as SQL after `where`; None
    where the figure is of all rows together, or the arguments have a query of them. learned_floor: once the metric is
    known of enough dates before, it may not be less than usual by more than that part of it; None: nothing is learned.
    """

    metric: str
    kind: str
    arguments: dict[str, Any]
    protects_from: str
    severity: Severity = "critical"
    learned_floor: float | None = None
    failing: str | None = None
    owner: str = OWNER


@dataclass(frozen=True)
class Suite:
    """Expectations on the rows of a query in the warehouse, or of a small frame that was summed up from the lake."""

    name: str
    rows: str | pd.DataFrame
    expectations: tuple[Expectation, ...]


def no_rows(metric: str, description: str, query: str, protects_from: str, **more: Any) -> Expectation:
    """No row may come of a query; `{batch}` in it are the rows that are judged."""
    arguments = {"unexpected_rows_query": query, "description": description}
    return Expectation(metric, "UnexpectedRowsExpectation", arguments, protects_from, **more)


def in_range(
    column: str,
    low: float | None,
    high: float | None,
    protects_from: str,
    *,
    metric: str | None = None,
    when: str | None = None,
) -> Expectation:
    """Every value of a column lies between two, or is null; `when` a comparison such as `days_since_last > 7` holds."""
    said = between(column, low, high)
    arguments: dict[str, Any] = {"column": column, "min_value": low, "max_value": high}
    bounds = [f"{column} {sign} {bound}" for sign, bound in (("<", low), (">", high)) if bound is not None]
    failing = " or ".join(bounds)
    if when is not None:
        judged, comparison, value = when.split()
        arguments |= {"row_condition": f'col("{judged}"){comparison}{value}', "condition_parser": "great_expectations"}
        failing, said = f"{when} and ({failing})", f"{said} if {when}"
    arguments |= {"description": said}
    name = metric or f"{column} out of range"
    return Expectation(name, "ExpectColumnValuesToBeBetween", arguments, protects_from, failing=failing)


def never_null(column: str, protects_from: str) -> Expectation:
    """Every row has a value in a column."""
    arguments = {"column": column, "description": f"every row has a value of {column}"}
    kind = "ExpectColumnValuesToNotBeNull"
    return Expectation(f"{column} is null", kind, arguments, protects_from, failing=f"{column} is null")


def between(what: str, low: float | None, high: float | None) -> str:
    """That something lies between two, in words."""
    if low is not None and low == high:
        return f"{what} is {_number(low)}"
    bounds = [f"{name} {_number(bound)}" for name, bound in (("at least", low), ("at most", high)) if bound is not None]
    return f"{what} is {' and '.join(bounds)}"


def _number(bound: float) -> str:
    return f"{bound:,.0f}" if float(bound).is_integer() else f"{bound:,.6g}"


def rows_at_least(least: int, protects_from: str, floor: float | None = None) -> Expectation:
    """There are as many rows; and where a floor is given, not less than usual by more than that part."""
    return Expectation(
        "rows",
        "ExpectTableRowCountToBeBetween",
        {"min_value": least},
        protects_from,
        learned_floor=floor,
    )
