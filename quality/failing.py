"""The first rows that a query finds: of those behind a figure that is out of bounds."""

from typing import Any

from sqlalchemy import Connection


def first_rows(connection: Connection, query: str, most: int) -> list[dict[str, Any]]:
    """Up to `most` rows of a query without parameters; colons and percent signs in it are what they are in SQL."""
    rows = connection.exec_driver_sql(f"select * from ({query}) as failing limit {most}".replace("%", "%%"))
    return [dict(row) for row in rows.mappings()]
