"""The rows behind a figure, as metadata of a check: a few of them, and the query of all."""

from typing import Any

import dagster as dg
from sqlalchemy import Connection

_ROWS_SHOWN = 24
_LONGEST_CELL = 120


def evidence(connection: Connection, name: str, query: str) -> dict[str, Any]:
    """`failing/` with the name: the first rows of the query; `query/` with it: the query, which somebody can paste."""
    rows = connection.exec_driver_sql(f"select * from ({query}) as behind limit {_ROWS_SHOWN}".replace("%", "%%"))
    columns = list(rows.keys())
    records = [
        dg.TableRecord({column: _cell(value) for column, value in zip(columns, row, strict=True)}) for row in rows
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(column) for column in columns])
    return {
        f"failing/{name}": dg.MetadataValue.table(records, schema),
        f"query/{name}": dg.MetadataValue.md(f"```sql\n{query}\n```"),
    }


def _cell(value: Any) -> str:
    return "" if value is None else str(value)[:_LONGEST_CELL]
