"""Small ranked lists, and how tests put them into ml.recommendations."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa

from assets.candidates.anchors import NO_ANCHOR
from assets.recommendations.store import MadeFrom, as_rows, replace_recommendations
from assets.slates import Slate
from warehouse.engine import adbc_connect

EXPLANATION = '[{"feature": "rank_als", "contribution": 0.41}, {"feature": "größe", "contribution": -0.1}]'
# For tests in which it makes no difference.
MADE_FROM = MadeFrom(datetime(2026, 6, 1, tzinfo=UTC), blocks=0, listens_version=0, code_version="")


def lists(as_of: date, version: str, users: int = 3, slate: Slate = Slate.FOR_YOU) -> pa.Table:
    """One list of two tracks per user; the first follows from track 7 and is explained, the second is not."""
    frame = pd.DataFrame(
        {
            "user_key": [user for user in range(users) for _ in range(2)],
            "track_key": [5, 6] * users,
            "rank": [1, 2] * users,
            "score": [0.5, 0.25] * users,
            "source": ["als"] * (2 * users),
            "anchor_track_key": [7, NO_ANCHOR] * users,
            "contributions": [EXPLANATION, None] * users,
        }
    )
    return as_rows(frame, as_of, slate, version)


def replace(url: str, as_of: date, tables: Iterator[pa.Table]) -> int:
    with adbc_connect(url) as connection, connection.cursor() as cursor:
        # A lock that is held for longer than a short transaction is a failure, not a wait.
        cursor.execute("set lock_timeout = '20s'")
        connection.commit()
        return replace_recommendations(connection, as_of, tables, MADE_FROM)
