"""Estimates of row counts, without a server."""

import pytest

from warehouse.row_counts import COUNTED_UP_TO, RowCount, estimated_rows


@pytest.mark.parametrize(
    ("reltuples", "relpages", "pages"),
    [(-1, 0, 500), (-1, 500, 500), (0, 0, 500), (0, 3, 3)],
    ids=["never analysed", "never analysed since pages were counted", "empty then", "pages without rows then"],
)
def test_statistics_that_say_nothing_give_no_estimate(reltuples: float, relpages: int, pages: int) -> None:
    assert estimated_rows(reltuples, relpages, pages) is None


def test_an_estimate_follows_the_size_of_the_table_since_it_was_analysed() -> None:
    assert estimated_rows(2e6, 10_000, 10_000) == 2_000_000
    assert estimated_rows(2e6, 10_000, 15_000) == 3_000_000
    assert estimated_rows(2e6, 10_000, 0) == 0


def test_metadata_says_whether_rows_were_counted() -> None:
    assert RowCount(7, is_estimated=False).metadata() == {"dagster/row_count": 7, "row_count_is": "counted"}
    estimated = RowCount(COUNTED_UP_TO + 1, is_estimated=True).metadata()
    assert estimated["dagster/row_count"] == COUNTED_UP_TO + 1
    assert str(estimated["row_count_is"]).startswith("estimated")
