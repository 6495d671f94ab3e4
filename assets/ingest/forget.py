"""Take a load back: the file's rows go, and files that were counted as its duplicates can be loaded again."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from assets.ingest import merge_sql
from warehouse.errors import AudoticsError
from warehouse.locks import acquire


@dataclass(frozen=True)
class LoadedFile:
    """A load on record: its id, where the file lay, and as what it was read."""

    file_id: int
    path: str
    format: str


@dataclass(frozen=True)
class Forgotten:
    """What was taken back.

    Attributes:
        file: the load; None when it was taken off the record before, and only its listens were left.
        listens: rows that went from raw.listens.
        rejected: rows that went from raw.rejected_listens.
        load_again: later loads that are off the record now, in their order. Their listens stay; loaded again, the
            files add those that they had in common with the forgotten one.
    """

    file_id: int
    file: LoadedFile | None
    listens: int
    rejected: int
    load_again: tuple[LoadedFile, ...]


def forget_file(connection: Connection, file_id: int) -> Forgotten:
    """Take the load `file_id` back, in the connection's transaction; waits for loads at work.

    A row that two files have is kept once, under the first. So every later load that counted duplicates may lack rows
    that go with this one: it is taken off the record, with its rejected rows, which come again with it. Users, tracks
    and artists keep their keys. The id is never given again.

    Raises:
        AudoticsError: there is no such load, or another session has the lock of loads for too long.
    """
    acquire(connection.connection.cursor(), merge_sql.LOCK)
    connection.execute(text(merge_sql.KEEP_HIGHEST_FILE_ID))
    record = connection.execute(_RECORD, {"file_id": file_id}).one_or_none()
    listens = connection.execute(_DELETE_LISTENS, {"file_id": file_id}).rowcount
    if record is None and not listens:
        raise AudoticsError(
            f"there is no load with the file_id {file_id}; `select file_id, path from raw.ingest_files` lists them"
        )
    later = connection.execute(_LATER_WITH_DUPLICATES, {"file_id": file_id}).all()
    rejected = connection.execute(_DELETE_REJECTED, {"file_ids": [file_id]}).rowcount
    connection.execute(_DELETE_REJECTED, {"file_ids": [row.file_id for row in later]})
    connection.execute(_DELETE_RECORDS, {"file_ids": [file_id, *(row.file_id for row in later)]})
    return Forgotten(
        file_id=file_id,
        file=_loaded_file(record) if record else None,
        listens=listens,
        rejected=rejected,
        load_again=tuple(_loaded_file(row) for row in later),
    )


def _loaded_file(row: Row[Any]) -> LoadedFile:
    return LoadedFile(row.file_id, row.path, row.format)


_RECORD = text("SELECT file_id, path, format FROM raw.ingest_files WHERE file_id = :file_id")
_LATER_WITH_DUPLICATES = text(
    "SELECT file_id, path, format FROM raw.ingest_files WHERE file_id > :file_id AND rows_duplicate > 0"
    " ORDER BY file_id"
)
_DELETE_LISTENS = text("DELETE FROM raw.listens WHERE file_id = :file_id")
_DELETE_REJECTED = text("DELETE FROM raw.rejected_listens WHERE file_id = ANY(:file_ids)")
_DELETE_RECORDS = text("DELETE FROM raw.ingest_files WHERE file_id = ANY(:file_ids)")
