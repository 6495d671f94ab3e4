"""How many rows a relation has, at a cost that does not grow with it."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

# Counting this many takes some tens of milliseconds.
COUNTED_UP_TO = 1_000_000


@dataclass(frozen=True)
class RowCount:
    """Rows of a table, counted or estimated from its statistics."""

    rows: int
    is_estimated: bool

    def metadata(self) -> dict[str, int | str]:
        """As metadata of a Dagster asset."""
        return {
            "dagster/row_count": self.rows,
            "row_count_is": "estimated from the table's statistics" if self.is_estimated else "counted",
        }


def row_count(connection: Connection, schema: str, relation: str) -> RowCount | None:
    """Rows of a table, counted up to about a million and estimated beyond; None for a view, whose rows are others'.

    The connection's role has to be allowed to read it.
    """
    found = connection.execute(_STATISTICS, {"schema": schema, "relation": relation}).one()
    if found.relkind == "v":
        return None
    estimate = estimated_rows(found.reltuples, found.relpages, found.pages)
    if estimate is not None and estimate > COUNTED_UP_TO:
        return RowCount(estimate, is_estimated=True)
    return RowCount(connection.scalar(text(f"select count(*) from {schema}.{relation}")) or 0, is_estimated=False)


def estimated_rows(reltuples: float, relpages: int, pages: int) -> int | None:
    """Rows as PostgreSQL's planner estimates them: rows per page when the table was last analysed, times its pages now.

    Args:
        reltuples: rows when it was last analysed or vacuumed; -1 when it never was.
        relpages: pages then.
        pages: pages now.

    Returns:
        None where the statistics say nothing: it was never analysed, or was empty then.
    """
    if reltuples <= 0 or relpages <= 0:
        return None
    return round(reltuples / relpages * pages)


_STATISTICS = text(
    "select relkind::text, reltuples, relpages,"
    " pg_relation_size(pg_class.oid) / current_setting('block_size')::bigint as pages"
    " from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace"
    " where nspname = :schema and relname = :relation"
)
