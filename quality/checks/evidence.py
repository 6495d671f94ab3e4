"""The rows behind a figure, as metadata of a check: a few of them, and the query of all."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg


def evidence(name: str, query: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`failing/` with the name: the first rows; `query/` with it: the query of all, which somebody can paste."""
    return {
        f"failing/{name}": _as_table(rows),
        # Markdown of this length would be behind a click.
        f"query/{name}": dg.MetadataValue.text(query),
    }


def _as_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows of a query as Dagster shows them."""
    names = list(rows[0]) if rows else []
    records = [dg.TableRecord({name: _shown(row[name]) for name in names}) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in names]))


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
