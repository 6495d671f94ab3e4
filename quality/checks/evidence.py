"""The rows behind a figure, as metadata of a check: a few of them, and the query of all."""

from typing import Any

import dagster as dg
from sqlalchemy import Connection

from quality.checks.suites import rows_as_table

# Of a day, every hour.
_ROWS_SHOWN = 24


def evidence(connection: Connection, name: str, query: str, shown: str | None = None) -> dict[str, Any]:
    """`failing/` with the name: the first rows of the query; `query/` with it: the query, which somebody can paste.

    shown: in place of the query, where its rows say what may not be kept as long as Dagster keeps what a check says.
    """
    rows = connection.exec_driver_sql(
        f"select * from ({shown or query}) as behind limit {_ROWS_SHOWN}".replace("%", "%%")
    )
    return {
        f"failing/{name}": rows_as_table([dict(row) for row in rows.mappings()]),
        f"query/{name}": dg.MetadataValue.md(f"```sql\n{query}\n```"),
    }
