"""How a fault is planted in a healthy world before a night: in the warehouse, or in what the night itself makes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import pandas as pd
from pipeline_process import Pipeline

from assets.candidates.anchors import Anchors
from assets.recommendations.store import as_rows

Frame = pd.DataFrame
Change = Callable[[Frame], Frame]


@dataclass(frozen=True)
class Fault:
    """What is planted, the check that has to stop the night, and what it has to say.

    sql: run in the warehouse before the night. during: what is otherwise while the night runs. after_a_week: the gate
    learns from the nights before, so there has to be a week of them.
    """

    name: str
    gate: str
    says: str
    sql: str = ""
    during: Callable[[], Any] | None = None
    after_a_week: bool = False

    @contextmanager
    def planted(self, pipeline: Pipeline, before: date) -> Iterator[None]:
        """The world with the fault, while the block runs."""
        if self.after_a_week:
            pipeline.query(a_week_like(before))
        if self.sql:
            pipeline.query(f"{self.sql}; select 1")
        if self.during is None:
            yield
        else:
            with self.during():
                yield


def a_week_like(day: date) -> str:
    """SQL: on each of the nine days before one, the checks have observed what they observed as of it."""
    days = f"generate_series(date '{day - timedelta(days=9)}', date '{day - timedelta(days=1)}', interval '1 day')"
    return (
        "with earlier as (insert into quality.validations"
        " (asset, check_name, as_of, run_id, validated_at, passed, blocks)"
        " select asset, check_name, date::date, run_id || date, validated_at, passed, blocks from quality.validations"
        f" cross join {days} as date where as_of = date '{day}' returning validation_id, asset, check_name, as_of)"
        " insert into quality.observations select earlier.validation_id, metric, segment, value, low, high,"
        " learned_from, learned_to, expectation, severity, observations.passed from earlier"
        " inner join quality.validations as made on made.asset = earlier.asset"
        f" and made.check_name = earlier.check_name and made.as_of = date '{day}'"
        " inner join quality.observations as observations on observations.validation_id = made.validation_id"
        " returning 1"
    )


def in_new_rows(table: str, change: str) -> str:
    """SQL: whatever is written to a table of features from now on comes out otherwise."""
    return (
        f"create function {table}_fault() returns trigger language plpgsql as"
        f" $$ begin {change}; return new; end $$;"
        f" create trigger fault before insert on {table} for each row execute function {table}_fault()"
    )


def in_candidates(change: Change) -> Callable[[], Any]:
    """The candidates of every batch of users come out otherwise."""
    add_to = Anchors.add_to
    return lambda: patch.object(Anchors, "add_to", lambda self, pool: change(add_to(self, pool)))


def in_lists(change: Change) -> Callable[[], Any]:
    """The lists of every slate come out otherwise."""

    def rows(lists: Frame, as_of: date, slate: str, version: str) -> Any:
        return as_rows(change(lists), as_of, slate, version)  # type: ignore[arg-type]

    return lambda: patch("assets.recommendations.assets.as_rows", rows)
