"""Small tables are counted, large ones estimated, views left alone."""

import pytest

from warehouse import row_counts
from warehouse.engine import create_engine
from warehouse.row_counts import RowCount, row_count


@pytest.fixture
def few_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of more than 1,000 rows are large."""
    monkeypatch.setattr(row_counts, "COUNTED_UP_TO", 1_000)


@pytest.mark.usefixtures("few_are_counted")
@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("create table raw.t as select * from generate_series(1, 5000); analyze raw.t", RowCount(5_000, True)),
        ("create table raw.t as select * from generate_series(1, 5000)", RowCount(5_000, False)),
        ("create table raw.t as select * from generate_series(1, 900); analyze raw.t", RowCount(900, False)),
        (
            "create table raw.t as select * from generate_series(1, 5000) as n; analyze raw.t; truncate raw.t",
            RowCount(0, False),
        ),
        ("create view raw.t as select * from generate_series(1, 5000)", None),
    ],
    ids=["large", "never analysed", "small", "emptied", "view"],
)
def test_rows_are_counted_or_estimated(warehouse_url: str, made: str, expected: RowCount | None) -> None:
    with create_engine(warehouse_url).connect() as connection:
        connection.exec_driver_sql(made)
        assert row_count(connection, "raw", "t") == expected
