"""The rows behind a figure, as metadata of a check: a few of them, and the query of all."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from quality.checks.tables import table_of


def evidence(name: str, query: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`failing/` with the name: the first rows; `query/` with it: the query of all, which somebody can paste."""
    return {
        f"failing/{name}": table_of([{column: _shown(value) for column, value in row.items()} for row in rows]),
        # Markdown of this length would be behind a click.
        f"query/{name}": dg.MetadataValue.text(query),
    }


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
