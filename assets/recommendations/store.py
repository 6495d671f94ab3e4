"""Writes and reads ml.recommendations: one partition per `as_of`, replaced as a whole."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, text

from assets.candidates.anchors import NO_ANCHOR
from assets.listens import Ints
from assets.slates import Slate
from assets.staleness import code_digest
from assets.whole_file import whole_file
from warehouse.dates import sql_date
from warehouse.errors import AudoticsError
from warehouse.frames import fetch_frame
from warehouse.partitions import PartitionedTable, replace_partition

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
        pa.field("anchor_track_key", pa.int32()),
        pa.field("contributions", pa.binary()),
    ]
)

RECOMMENDATIONS = PartitionedTable("recommendations", key=("as_of", "slate", "user_key", "rank"))

EXPORT_SCHEMA = pa.schema(
    [("user_id", pa.string()), ("track_id", pa.string()), ("rank", pa.int16()), ("score", pa.float32())]
)


def code_of_lists(features_version: str) -> str:
    """Digest of the code of candidates, rankers, rules and reasons, and the version of the features (features.version).

    Another one does not mean other lists, the same one means the same code.
    """
    return f"{code_digest('assets.recommendations.lists')}+{features_version}"


@dataclass(frozen=True)
class MadeFrom:
    """What lists were made from, by which a replay tells what has changed since.

    blocks_read_at, blocks: the lists hold to the blocks there were then, and how many these were, as
    `settled_blocks` says. listens_version: as in raw.listen_days, what the features of the date reflect. code_version:
    of `code_of_lists`.
    """

    blocks_read_at: datetime
    blocks: int
    listens_version: int
    code_version: str


def as_rows(lists: pd.DataFrame, as_of: date, slate: Slate, model_version: str) -> pa.Table:
    """Lists from reasons.with_reasons as rows of ml.recommendations: no anchor is null, JSON is as COPY takes it."""
    anchors = lists["anchor_track_key"].to_numpy(np.int32)
    # The binary form of jsonb is a version, 1, and the text; the driver sends the bytes of an Arrow column as they are.
    texts = pa.array(lists["contributions"], pa.string()).cast(pa.binary())
    columns: dict[str, Any] = {
        "as_of": pa.repeat(pa.scalar(as_of, pa.date32()), len(lists)),
        "slate": pa.repeat(pa.scalar(str(slate)), len(lists)),
        "model_version": pa.repeat(pa.scalar(model_version), len(lists)),
        "anchor_track_key": pa.array(anchors, mask=anchors == NO_ANCHOR),
        "contributions": pc.binary_join_element_wise(b"\x01", texts, b""),
    }
    for name in ("user_key", "rank", "track_key", "score", "source"):
        columns[name] = pa.array(lists[name], type=SCHEMA.field(name).type)
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def replace_recommendations(
    connection: dbapi.Connection, as_of: date, tables: Iterable[pa.Table], made_from: MadeFrom
) -> int:
    """Replace the lists of an `as_of` and return the number of rows, as `replace_partition` does.

    Raises:
        AudoticsError: another load of the date, or a reader, took too long; its session is named.
    """
    return replace_partition(
        connection,
        RECOMMENDATIONS,
        as_of,
        tables,
        summary="select slate, max(model_version), count(distinct user_key), count(*) from {loaded} group by slate",
        record=lambda cursor, batches: _record_batches(cursor, as_of, batches, made_from),
    )


def _record_batches(cursor: dbapi.Cursor, as_of: date, batches: Iterable[tuple[Any, ...]], made_from: MadeFrom) -> None:
    """Note what lists there are now: (slate, model version, users, rows); and from what they were made."""
    cursor.execute("delete from ml.recommendation_batches where as_of = $1", (as_of,))
    for batch in batches:
        cursor.execute(
            "insert into ml.recommendation_batches (as_of, slate, model_version, users, rows, made_at, blocks_read_at,"
            " blocks, listens_version, code_version)"
            " values ($1, $2, $3, $4, $5, now(), $6, $7, $8, $9)",
            (as_of, *batch, *astuple(made_from)),
        )


def models_of_lists(connection: Connection, as_of: date) -> dict[Slate, str]:
    """The version of the model that made the lists of each slate of a date; none where none were made."""
    query = text("select slate, model_version from ml.recommendation_batches where as_of = :as_of order by slate")
    made = connection.execute(query, {"as_of": as_of}).all()
    return {Slate(row.slate): row.model_version for row in made}


def dates_with_recommendations(connection: Connection) -> list[date]:
    """The dates that have lists, oldest first."""
    return list(connection.scalars(text("select distinct as_of from ml.recommendation_batches order by as_of")))


def read_lists(connection: dbapi.Connection, as_of: date, slate: Slate, user_keys: Ints) -> pd.DataFrame:
    """The lists of these users: user_key, track_key, rank, score."""
    query = f"select user_key, track_key, rank, score {_made(as_of, slate)} and user_key = any($1)"
    return fetch_frame(connection, query, user_keys)


def _made(as_of: date, slate: Slate) -> str:
    return f"from ml.recommendations where as_of = {sql_date(as_of)} and slate = '{slate}'"


def export_recommendations(connection: dbapi.Connection, as_of: date, slate: Slate, file: Path) -> int:
    """Write the lists of an `as_of` to a Parquet file with public ids, best first within each user; return the rows.

    Columns: user_id, track_id (text), rank (int16, from 1), score (float32). The file appears whole or not at all.

    Raises:
        AudoticsError: no such lists were made, or the file cannot be written.
    """
    lists = f"ml.recommendations where as_of = {sql_date(as_of)} and slate = '{slate}'"
    rows = 0
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"select exists (select from {lists})")
            if not cursor.fetchone()[0]:
                cursor.execute("select max(as_of)::text from ml.recommendations where slate = $1", (str(slate),))
                (newest,) = cursor.fetchone()
                others = f" (the newest are as of {newest})" if newest else ""
                raise AudoticsError(
                    f"no {slate} lists were made as of {as_of}{others}: run `audotics run --as-of {as_of}` first"
                )
            cursor.execute(
                f"select user_id, track_id, rank, score from (select * from {lists}) as lists"
                " inner join core.dim_users using (user_key) inner join core.dim_tracks using (track_key)"
                " order by user_key, rank"
            )
            with whole_file(file) as partial, pq.ParquetWriter(partial, EXPORT_SCHEMA) as writer:
                for batch in cursor.fetch_record_batch():
                    writer.write_batch(batch.cast(EXPORT_SCHEMA))
                    rows += batch.num_rows
    except OSError as error:
        raise AudoticsError(f"cannot write {file}: {error.strerror}; choose another --out") from error
    return rows
