"""Rows as a table in metadata, of a check or of an asset."""

from collections.abc import Mapping, Sequence

import dagster as dg

Value = str | int | float | bool | None
Row = dict[str, Value]
# True is a whole number to Python.
_KINDS = {bool: "bool", int: "int", float: "float"}


def table_of(rows: Sequence[Mapping[str, Value]], names: Sequence[str] = ()) -> dg.TableMetadataValue:
    """A table of rows that all have the names of the first. names: those of the columns where there may be no row."""
    columns = [dg.TableColumn(name, _kind([row[name] for row in rows])) for name in (rows[0] if rows else names)]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def _kind(values: Sequence[Value]) -> str:
    """What Dagster calls the values of a column, null or of one kind; whole numbers go with others."""
    found = {_kind_of(value) for value in values if value is not None}
    if found == {"int", "float"}:
        return "float"
    return found.pop() if len(found) == 1 else "string"


def _kind_of(value: Value) -> str:
    return next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "string")
