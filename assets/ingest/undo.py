"""Undo a load: afterwards the raw tables are as if the file had never been loaded."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from assets import blocks
from assets.ingest import merge_sql
from assets.ingest.undo_sql import undo_statements
from warehouse.errors import AudoticsError
from warehouse.locks import acquire


@dataclass(frozen=True)
class UndoneLoad:
    """What became of a load.

    Attributes:
        file_id: the key of the load, which is never given again.
        path: where the file lay when it was loaded.
        format: as what it was read.
        listens: rows of raw.listens that were the file's.
        listens_kept: those of them that other files have as well: they stay, as the first of these files has them.
        rejected: rows that went from raw.rejected_listens.
        blocks: blocks that no longer hold: those that neither their users asked for nor other files state.
        users, artists, tracks: rows that went because no other file names them.
    """

    file_id: int
    path: str
    format: str
    listens: int
    listens_kept: int
    rejected: int
    blocks: int
    users: int
    artists: int
    tracks: int


def undo_load(connection: Connection, file_id: int) -> UndoneLoad:
    """Undo the load `file_id` in the connection's transaction; waits for loads at work.

    Users, tracks and artists that other files name keep their keys; keys that nothing has any more are never given
    again, as lists and releases made before may still name them. A user who blocked something, and what they blocked,
    stays without description, so that the block holds when a file names them again. Redis is not told what is blocked
    no longer: who calls it does so, after the commit.

    Raises:
        AudoticsError: there is no such load, or another session has the lock of loads for too long.
    """
    acquire(connection.connection.cursor(), merge_sql.LOCK)
    record = connection.execute(_RECORD, {"file_id": file_id}).one_or_none()
    if record is None:
        raise AudoticsError(f"there is no load with the file_id {file_id}; `audotics ingest list` shows them")
    # Nobody is to block meanwhile what goes.
    acquire(connection.connection.cursor(), blocks.LOCK)
    rows = {name: connection.execute(text(sql)).rowcount for name, sql in undo_statements(file_id).items()}
    return UndoneLoad(
        file_id=file_id,
        path=record.path,
        format=record.format,
        listens=rows["listens"],
        listens_kept=rows["taken over"],
        rejected=rows["rejected"],
        blocks=rows["blocks"],
        users=rows["users"],
        artists=rows["artists"],
        tracks=rows["tracks"],
    )


_RECORD = text("SELECT path, format FROM raw.ingest_files WHERE file_id = :file_id")
