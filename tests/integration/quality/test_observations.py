"""What gates observed is kept once for a run, and read back for the dates before."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Connection, text

from quality.observations import Observation, Past, Validation, keep, past
from warehouse.engine import create_engine
from warehouse.roles import Role

DAY = date(2026, 3, 2)
OF_DAY = Validation("core/fct_listens", "newest_day_is_whole", "run 1", DAY)
LISTENS = Observation("listens", 1.0, True, "as many as usual", low=0.5, learned_from=date(2026, 1, 1))


@pytest.fixture
def connection(warehouse_url: str) -> Iterator[Connection]:
    with create_engine(warehouse_url, Role.SERVICE).connect() as connection:
        yield connection


def kept(connection: Connection) -> list[tuple[str, bool, bool, float]]:
    rows = connection.execute(
        text(
            "select run_id, validations.passed, blocks, value from quality.validations"
            " inner join quality.observations using (validation_id) order by validation_id"
        )
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("judged", [OF_DAY, replace(OF_DAY, as_of=None)])
def test_a_step_that_is_tried_again_leaves_one_verdict(connection: Connection, judged: Validation) -> None:
    keep(connection, judged, [replace(LISTENS, value=0.1, passed=False)])
    keep(connection, judged, [LISTENS])
    keep(connection, replace(judged, run_id="run 2"), [LISTENS])
    assert kept(connection) == [("run 1", True, False, 1.0), ("run 2", True, False, 1.0)]


def test_only_what_is_critical_blocks(connection: Connection) -> None:
    fault = replace(LISTENS, passed=False)
    keep(connection, OF_DAY, [LISTENS, replace(fault, segment="source: spotify", severity="warning")])
    keep(connection, replace(OF_DAY, run_id="run 2"), [LISTENS, replace(fault, segment="source: spotify")])
    assert {(run, passed, blocks) for run, passed, blocks, _ in kept(connection)} == {
        ("run 1", False, False),
        ("run 2", False, True),
    }


def test_once_a_fault_was_accepted_the_past_begins_with_it(connection: Connection) -> None:
    for day in range(20, 28):
        keep(connection, replace(OF_DAY, run_id=f"run {day}", as_of=date(2026, 2, day)), [LISTENS])
    fault = replace(LISTENS, passed=False)
    stopped, accepted = replace(OF_DAY, as_of=date(2026, 2, 25)), replace(OF_DAY, as_of=date(2026, 2, 26))
    keep(connection, replace(stopped, run_id="again 25"), [fault])
    keep(connection, replace(accepted, run_id="again 26"), [replace(fault, value=9.0)], accepted=True)
    assert [(each.as_of.day, each.value) for each in past(connection, OF_DAY.asset, OF_DAY.check_name, DAY, 28)] == [
        (27, 1.0),
        (26, 9.0),
    ]


def test_the_past_is_the_last_verdict_of_each_date_before(connection: Connection) -> None:
    for run, day, value in (("a", 27, 1.0), ("b", 28, 2.0), ("c", 28, 3.0), ("d", 20, 4.0), ("e", 28, None)):
        observed = replace(LISTENS, value=value), replace(LISTENS, metric="listeners", value=9.0)
        keep(connection, replace(OF_DAY, run_id=run, as_of=date(2026, 2, day)), observed[: 2 if value is None else 1])
    keep(connection, OF_DAY, [LISTENS])
    keep(connection, replace(OF_DAY, run_id="f", check_name="another", as_of=date(2026, 2, 27)), [LISTENS])
    assert past(connection, OF_DAY.asset, OF_DAY.check_name, DAY, days=5) == [
        Past(date(2026, 2, 28), "listeners", "all", 9.0),
        Past(date(2026, 2, 27), "listens", "all", 1.0),
    ]
