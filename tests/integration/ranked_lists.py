"""Small ranked lists, and how tests put them into ml.recommendations."""

from collections.abc import Iterator
from datetime import date

import pandas as pd
import pyarrow as pa

from assets.ranker.recommendations import as_rows, replace_recommendations
from assets.ranker.slates import Slate
from warehouse.engine import adbc_connect


def lists(as_of: date, version: str, users: int = 3) -> pa.Table:
    """One list of two tracks per user."""
    frame = pd.DataFrame(
        {
            "user_key": [user for user in range(users) for _ in range(2)],
            "track_key": [5, 6] * users,
            "rank": [1, 2] * users,
            "score": [0.5, 0.25] * users,
            "source": ["als"] * (2 * users),
        }
    )
    return as_rows(frame, as_of, Slate.FOR_YOU, version)


def replace(url: str, as_of: date, tables: Iterator[pa.Table]) -> int:
    with adbc_connect(url) as connection, connection.cursor() as cursor:
        # A lock that is held for longer than a short transaction is a failure, not a wait.
        cursor.execute("set lock_timeout = '20s'")
        connection.commit()
        return replace_recommendations(connection, as_of, tables)
