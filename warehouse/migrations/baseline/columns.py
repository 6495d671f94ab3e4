"""A column as every table of the baseline writes it: name, type, what it holds."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

INSTANT = TIMESTAMP(timezone=True)


def column(
    name: str,
    kind: type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any],
    comment: str,
    *,
    null: bool = False,
    default: sa.ColumnElement[Any] | sa.TextClause | None = None,
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null, comment=comment, autoincrement=False, server_default=default)
