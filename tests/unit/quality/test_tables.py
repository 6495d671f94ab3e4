"""Rows as a table in metadata."""

import numpy as np

from quality.checks.tables import Row, table_of


def test_a_column_is_of_the_kind_of_its_values_and_null_is_of_none() -> None:
    rows: list[Row] = [
        {"name": "a", "count": None, "share": 1, "odd": True, "unknown": None},
        {"name": None, "count": 3, "share": 0.5, "odd": None, "unknown": None},
    ]
    table = table_of(rows)
    kinds = {column.name: column.type for column in table.schema.columns}
    assert kinds == {"name": "string", "count": "int", "share": "float", "odd": "bool", "unknown": "string"}
    assert [record.data for record in table.records] == rows


def test_a_table_without_a_row_has_the_columns_that_were_named() -> None:
    assert [column.name for column in table_of([], ("file", "reason")).schema.columns] == ["file", "reason"]
    assert table_of([]).records == []


def test_numbers_of_numpy_are_numbers_and_a_column_of_two_kinds_is_text() -> None:
    table = table_of([{"share": np.float64(0.5), "mixed": 1}, {"share": None, "mixed": "one"}])
    assert [column.type for column in table.schema.columns] == ["float", "string"]
