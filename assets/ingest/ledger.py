"""What was loaded so far: the ledger of files."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from assets.ingest.refusal import most_frequent_first

_COUNTS = ("rows_read", "rows_loaded", "rows_rejected", "rows_duplicate", "rows_left_out")
_TIMES = ("first_listened_at", "last_listened_at", "started_at", "finished_at", "retried_at", "rejects_expired_at")


@dataclass(frozen=True)
class LoadedFile:
    """One load on record; rows_read = rows_loaded + rows_rejected + rows_duplicate + rows_left_out.

    Attributes:
        file: the path or address it had when it was loaded.
        user: whose listens all of them are, where not the rows say it.
        reasons: rows by why they are rejected or left out, rejected ones first.
        first_listened_at, last_listened_at: earliest and latest start of playback in its valid rows.
        loaded_by: a login name, or `run` and the id of the Dagster run.
        retried_at: when its rejected rows were last read again.
        rejects_expired_at: when the rejected rows themselves went.
    """

    file_id: int
    file: str
    format: str
    user: str | None
    sha256: str
    bytes: int
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_duplicate: int
    rows_left_out: int
    reasons: dict[str, int]
    first_listened_at: datetime | None
    last_listened_at: datetime | None
    loaded_by: str
    started_at: datetime
    finished_at: datetime
    retried_at: datetime | None
    rejects_expired_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        times = {name: moment and moment.isoformat() for name in _TIMES for moment in [getattr(self, name)]}
        return {**vars(self), **times, "seconds": round((self.finished_at - self.started_at).total_seconds(), 3)}


def read_ledger(connection: Connection) -> list[LoadedFile]:
    """Return every load on record, the newest last."""
    return [
        LoadedFile(
            **{name: row[name] for name in ("file_id", "format", "sha256", "bytes", "loaded_by", *_COUNTS, *_TIMES)},
            file=row["path"],
            user=row["told_user"],
            reasons=most_frequent_first(row["rejected"]) | most_frequent_first(row["left_out"]),
        )
        for row in connection.execute(_LEDGER).mappings()
    ]


_LEDGER = text("SELECT * FROM raw.ingest_files ORDER BY file_id")
