"""Rejected rows on record: how many by file and reason, the rows themselves, and when they expire."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from assets.ingest import merge_sql
from assets.ingest.refusal import most_frequent_first
from warehouse.errors import AudoticsError
from warehouse.locks import acquire

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class RejectedOfFile:
    """What a load rejected.

    Attributes:
        reasons: rejected rows by reason, most frequent first: those asked for.
        expired_at: when the rows themselves went; None while they are there.
    """

    file_id: int
    path: str
    reasons: dict[str, int]
    expired_at: datetime | None


def read_rejected(
    connection: Connection, file_id: int | None = None, reason: str | None = None
) -> list[RejectedOfFile]:
    """Return what each load rejected, the newest load last: of one file, for one reason, if that is asked.

    Raises:
        AudoticsError: there is no such load.
    """
    if file_id is not None:
        require_load(connection, file_id)
    found = connection.execute(_REJECTED, {"file_id": file_id, "reason": reason})
    return [
        RejectedOfFile(
            row.file_id,
            row.path,
            most_frequent_first({each: rows for each, rows in row.rejected.items() if reason in (None, each)}),
            row.rejects_expired_at,
        )
        for row in found
    ]


def rejected_rows(
    connection: Connection, file_id: int | None = None, reason: str | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield rejected rows by file and line, as they come from the server: file_id, path, line, reason and fields."""
    asked = {"file_id": file_id, "reason": reason, "limit": limit}
    rows = connection.execution_options(stream_results=True, max_row_buffer=_ROWS_AT_ONCE).execute(_ROWS, asked)
    return (dict(row) for row in rows.mappings())


def require_load(connection: Connection, file_id: int) -> None:
    """Raise AudoticsError unless there is such a load."""
    if not connection.scalar(_IS_LOADED, {"file_id": file_id}):
        raise AudoticsError(f"there is no load with the file_id {file_id}; `audotics ingest list` shows them")


def expire_rejects(cursor: Any, days: int) -> None:
    """Delete the rejected rows of loads, or retries, that are `days` and more old; their counts stay.

    Args:
        cursor: psycopg2's or ADBC's, as the loader, in a transaction of its own.
        days: 0 for all there are.
    """
    due = _DUE.format(days=int(days))
    cursor.execute(f"SELECT EXISTS (SELECT FROM raw.ingest_files WHERE {due})")
    if not cursor.fetchone()[0]:
        return
    acquire(cursor, merge_sql.LOCK)
    cursor.execute(
        "DELETE FROM raw.rejected_listens AS rejected USING raw.ingest_files AS files"
        f" WHERE rejected.file_id = files.file_id AND {due}"
    )
    cursor.execute(f"UPDATE raw.ingest_files SET rejects_expired_at = clock_timestamp() WHERE {due}")


_DUE = (
    "rows_rejected > 0 AND rejects_expired_at IS NULL"
    " AND coalesce(retried_at, finished_at) <= now() - interval '{days} days'"
)
_IS_LOADED = text("SELECT EXISTS (SELECT FROM raw.ingest_files WHERE file_id = :file_id)")
_REJECTED = text(
    "SELECT file_id, path, rejected, rejects_expired_at FROM raw.ingest_files"
    " WHERE rows_rejected > 0 AND file_id = coalesce(:file_id, file_id)"
    " AND (CAST(:reason AS text) IS NULL OR rejected ? CAST(:reason AS text)) ORDER BY file_id"
)
_ROWS = text(
    "SELECT rejected.file_id, path, line, reason, fields"
    " FROM raw.rejected_listens AS rejected INNER JOIN raw.ingest_files USING (file_id)"
    " WHERE file_id = coalesce(:file_id, file_id) AND reason = coalesce(:reason, reason)"
    " ORDER BY file_id, line LIMIT :limit"
)
