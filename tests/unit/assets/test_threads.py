"""Ranges of rows, a thread each."""

import pytest

from assets.threads import in_parts


@pytest.mark.parametrize(
    ("rows", "threads", "least", "sizes"),
    [(10, 2, 1, [5, 5]), (10, 3, 4, [5, 5]), (7, 2, 4, [7]), (8, 2, 4, [4, 4]), (1, 4, 1, [1]), (0, 2, 1, [0])],
)
def test_ranges_are_all_rows_in_order_and_none_is_too_short(
    rows: int, threads: int, least: int, sizes: list[int]
) -> None:
    ranges: list[slice] = []
    in_parts(ranges.append, rows, threads, least)
    ranges.sort(key=lambda each: each.start)
    assert [each.stop - each.start for each in ranges] == sizes
    assert [row for each in ranges for row in range(each.start, each.stop)] == list(range(rows))


def test_an_error_of_any_range_is_raised() -> None:
    def fail_on_the_last(rows: slice) -> None:
        if rows.stop == 4:
            raise ValueError("row 3")

    with pytest.raises(ValueError, match="row 3"):
        in_parts(fail_on_the_last, rows=4, threads=2)
