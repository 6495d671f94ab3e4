"""Writes and reads ml.recommendations: one partition per `as_of`, replaced as a whole."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.ranker.slates import Slate

SCHEMA = pa.schema(
    [
        pa.field("as_of", pa.date32(), nullable=False),
        pa.field("slate", pa.string(), nullable=False),
        pa.field("user_key", pa.int32(), nullable=False),
        pa.field("rank", pa.int16(), nullable=False),
        pa.field("track_key", pa.int32(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
    ]
)


def as_rows(lists: pd.DataFrame, as_of: date, slate: Slate, model_version: str) -> pa.Table:
    """Ranked lists (user_key, track_key, rank, score, source) as rows of ml.recommendations."""
    columns: dict[str, Any] = {
        "as_of": pa.repeat(pa.scalar(as_of, pa.date32()), len(lists)),
        "slate": pa.repeat(pa.scalar(str(slate)), len(lists)),
        "model_version": pa.repeat(pa.scalar(model_version), len(lists)),
    }
    for name in ("user_key", "rank", "track_key", "score", "source"):
        columns[name] = pa.array(lists[name], type=SCHEMA.field(name).type)
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def replace_recommendations(connection: dbapi.Connection, as_of: date, tables: Iterable[pa.Table]) -> int:
    """Replace the lists of an `as_of` and return the number of rows.

    One transaction: rows go to a table of their own, which takes the old partition's place at the very end. Readers
    see the old lists or the new ones and wait for the exchange only; an interrupted load leaves the old ones.
    """
    partition = f"recommendations_{as_of:%Y%m%d}"
    loading = f"{partition}_loading"
    with connection.cursor() as cursor:
        cursor.execute(f"select pg_advisory_xact_lock(hashtext('{partition}'))")
        cursor.execute(
            f"create table ml.{loading} (like ml.recommendations including comments including defaults,"
            f" constraint {partition}_as_of check (as_of = date '{as_of.isoformat()}'))"
        )
        rows = 0
        for table in tables:
            rows += cursor.adbc_ingest(loading, table, mode="append", db_schema_name="ml")
        cursor.execute(f"alter table ml.{loading} add primary key (as_of, slate, user_key, rank)")
        cursor.execute(f"drop table if exists ml.{partition}")
        cursor.execute(f"alter table ml.{loading} rename to {partition}")
        cursor.execute(f"alter index ml.{loading}_pkey rename to {partition}_pkey")
        cursor.execute(
            f"alter table ml.recommendations attach partition ml.{partition}"
            f" for values in (date '{as_of.isoformat()}')"
        )
        cursor.execute(f"analyze ml.{partition}")
    connection.commit()
    return rows
