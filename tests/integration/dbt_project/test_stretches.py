"""The stretches of days for which models by day are rebuilt, as the macro cuts them from the days that changed."""

from collections.abc import Sequence

import jinja2
from loading import query

from tests.repository import ROOT

MACROS = ROOT / "dbt_project" / "macros" / "rebuild_plan.sql"


def stretches(url: str, days: Sequence[int], **keys: int) -> list[tuple[int, int]]:
    """The first and last day of each stretch; days are numbered from 2020-01-01 on."""
    macros = (
        jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(MACROS.read_text(encoding="utf-8")).make_module()
    )
    changed = f"(select date '2020-01-01' + day as listened_on from unnest(array{list(days)}::int[]) as day) as changed"
    statement = macros.stretches_of(changed, **keys)
    numbered = "first_day::date - date '2020-01-01', last_day::date - date '2020-01-01'"
    return query(url, f"select {numbered} from ({statement}) as stretches order by first_day")


def test_days_in_a_row_are_one_stretch_and_others_have_their_own(warehouse_url: str) -> None:
    assert stretches(warehouse_url, []) == []
    assert stretches(warehouse_url, [5]) == [(5, 5)]
    assert stretches(warehouse_url, [9, 0, 1, 2, 8, 4]) == [(0, 2), (4, 4), (8, 9)]


def test_of_too_many_stretches_the_nearest_are_joined(warehouse_url: str) -> None:
    days = [0, 2, 10, 13, 100]
    assert stretches(warehouse_url, days, at_most=5) == [(day, day) for day in days]
    assert stretches(warehouse_url, days, at_most=3) == [(0, 2), (10, 13), (100, 100)]
    assert stretches(warehouse_url, days, at_most=2) == [(0, 13), (100, 100)]
    assert stretches(warehouse_url, days, at_most=1) == [(0, 100)]


def test_of_a_hundred_stretches_32_are_left_and_no_day_is_lost(warehouse_url: str) -> None:
    days = [number * number for number in range(100)]
    found = stretches(warehouse_url, days)
    assert len(found) == 32
    assert all(any(first <= day <= last for first, last in found) for day in days)
    # The squares lie the farther apart the later they are.
    assert found[0] == (0, days[-32]) and found[1:] == [(day, day) for day in days[-31:]]
