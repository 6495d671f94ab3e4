"""Load files of listens into the raw schema: one transaction per file, all of it or nothing."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.ingest import merge_sql
from assets.ingest.files import InputFile, Stamp
from assets.ingest.listing import list_files
from assets.ingest.mentions import MentionCounter
from assets.ingest.parse import Parser
from assets.ingest.records import LoadReport, Progress, ProgressCallback, Source
from assets.ingest.refusal import Tally, faults_named, most_frequent_first, refusal
from warehouse.connections import check_warehouse
from warehouse.engine import adbc_connect
from warehouse.errors import AudoticsError
from warehouse.locks import acquire
from warehouse.roles import Role
from warehouse.statistics import analyse_raw

_MISSING_TABLE_STATES = ("42P01", "3F000")
# Lost or ended connections and locks not given: what the server does not do for one file, it does for no other.
_LOST_STATES = ("08", "57P", "55P03")


@dataclass(frozen=True)
class _Hashed:
    """A file as it was when its bytes were hashed."""

    file: InputFile
    stamp: Stamp
    sha256: str


def load_files(
    warehouse_url: str,
    source: Source,
    paths: Sequence[Path | str],
    progress: ProgressCallback | None = None,
    refused: list[AudoticsError] | None = None,
) -> list[LoadReport]:
    """Load what lies at paths or addresses, as `files.list_files` takes them, in the order given.

    Each file is one transaction. A file whose bytes are in the warehouse in the same format is left alone and reported
    as it was loaded. Other processes may load at the same time: they read in parallel and merge one after the other.

    With `refused`, a file that is damaged or misread, or whose rows PostgreSQL refuses, raises nothing: the reason
    is added there, and the others are loaded.

    Raises:
        AudoticsError: a path does not exist or holds no listens (before anything is loaded), a file is damaged or
            misread, another session has the lock of loads for too long, or PostgreSQL fails. Files before it stay
            loaded; of the file itself nothing does.
    """
    files = [file for path in paths for file in _find(source, path, refused)]
    with _connect(warehouse_url) as connection:
        reports = []
        for file in files:
            try:
                reports.append(_load(connection, source, file, progress or _silent))
            except AudoticsError as error:
                warehouse_failed = _stops_every_load(error.__cause__)
                if refused is None or warehouse_failed:
                    # The files before it stay loaded, and will be read.
                    if reports and not warehouse_failed:
                        # Statistics alone: without them the files are read all the same, and the error is of another.
                        with suppress(adbc_driver_manager.Error):
                            _analyse(connection)
                    raise
                refused.append(error)
        _analyse(connection)
        return reports


def _analyse(connection: dbapi.Connection) -> None:
    with connection.cursor() as cursor:
        analyse_raw(cursor)
    connection.commit()


def _connect(warehouse_url: str) -> dbapi.Connection:
    try:
        connection = adbc_connect(warehouse_url, Role.LOADER)
        with connection.cursor() as cursor:
            cursor.execute(merge_sql.SESSION_SETTING)
        # Committed, it outlives the transactions of the files.
        connection.commit()
    except adbc_driver_manager.Error as error:
        check_warehouse(warehouse_url)
        raise AudoticsError(f"cannot load into the warehouse: {error}; run `audotics doctor`") from error
    return connection


def _find(source: Source, path: Path | str, refused: list[AudoticsError] | None) -> list[InputFile]:
    listing = list_files(path)
    if listing.damaged and refused is None:
        raise listing.damaged[0]
    if refused is not None:
        refused += listing.damaged
    return source.find(listing)


def _silent(progress: Progress) -> None:
    """Report to nobody."""


def _load(connection: dbapi.Connection, source: Source, file: InputFile, progress: ProgressCallback) -> LoadReport:
    started = time.monotonic()
    try:
        with faults_named(file):
            hashed = _Hashed(file, file.stamp(), file.sha256())
            profiles = source.profiles(file)
            with connection.cursor() as cursor:
                report = _already_loaded(cursor, source, hashed, started)
                if report is None:
                    report = _load_new(cursor, source, hashed, started, progress)
                if profiles is not None:
                    _keep_profiles(cursor, report.file_id, profiles)
            connection.commit()
            return report
    except adbc_driver_manager.Error as error:
        raise _refused(file, error) from error
    finally:
        _roll_back(connection)


def _roll_back(connection: dbapi.Connection) -> None:
    """Leave nothing open: after a commit this does nothing, and on a lost connection there is nothing to undo."""
    try:
        connection.rollback()
    except adbc_driver_manager.Error:
        return


def _already_loaded(cursor: dbapi.Cursor, source: Source, hashed: _Hashed, started: float) -> LoadReport | None:
    cursor.execute(merge_sql.ALREADY_LOADED, (hashed.sha256, source.format, source.told_user(hashed.file)))
    row = cursor.fetchone()
    if row is None:
        _refuse_second_reading(cursor, source, hashed)
        return None
    file_id, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out, left_out = row
    cursor.execute(merge_sql.REJECTED_BY_REASON, (file_id,))
    return LoadReport(
        file_id=file_id,
        file=str(hashed.file),
        format=source.format,
        sha256=hashed.sha256,
        rows_read=rows_read,
        rows_loaded=rows_loaded,
        rows_rejected=rows_rejected,
        rows_duplicate=rows_duplicate,
        rows_left_out=rows_left_out,
        rejected_by_reason=dict(cursor.fetchall()),
        left_out_by_rule=most_frequent_first(json.loads(left_out)),
        nulled={},
        already_loaded=True,
        seconds=time.monotonic() - started,
    )


def _refuse_second_reading(cursor: dbapi.Cursor, source: Source, hashed: _Hashed) -> None:
    cursor.execute(merge_sql.LOADED_OTHERWISE, (hashed.sha256, source.format))
    row = cursor.fetchone()
    if row is not None:
        file_id, read_as, path = row
        raise AudoticsError(
            f"{hashed.file} has the same bytes as {path}, which was loaded as {read_as} (file_id {file_id}): read as"
            f" {source.format}, its listens would be there twice; undo that load first with"
            f" `audotics ingest forget {file_id}`"
        )


def _load_new(
    cursor: dbapi.Cursor, source: Source, hashed: _Hashed, started: float, progress: ProgressCallback
) -> LoadReport:
    file, started_at = hashed.file, datetime.now(UTC)
    tally = _stage(cursor, source, file, started_at, progress)
    if message := refusal(file, tally, source.rules, started_at):
        raise AudoticsError(message)
    if file.stamp() != hashed.stamp:
        raise AudoticsError(f"{file} changed while it was being read; load it again when it is complete")
    _lock(cursor)
    # Another process may have loaded the same bytes between the first look and the lock.
    if report := _already_loaded(cursor, source, hashed, started):
        return report
    cursor.execute(merge_sql.NEXT_FILE_ID)
    (file_id,) = cursor.fetchone()
    loaded = _merge(
        cursor,
        merge_sql.merge_statements(file_id, source.rules.source),
        tally.listens,
        lambda done: progress(Progress(file, "writing", done, tally.rows_read)),
    )
    duplicate = tally.listens - loaded
    counts = tally.rows_read, loaded, tally.rows_rejected, duplicate, tally.rows_left_out, json.dumps(tally.left_out)
    identity = file_id, hashed.sha256, source.format, file.address, hashed.stamp.size
    cursor.execute(merge_sql.RECORD_FILE, (*identity, *counts, started_at, source.told_user(file)))
    return LoadReport(
        file_id=file_id,
        file=str(hashed.file),
        format=source.format,
        sha256=hashed.sha256,
        rows_read=tally.rows_read,
        rows_loaded=loaded,
        rows_rejected=tally.rows_rejected,
        rows_duplicate=duplicate,
        rows_left_out=tally.rows_left_out,
        rejected_by_reason=tally.by_reason(),
        left_out_by_rule=most_frequent_first(tally.left_out),
        nulled=dict(tally.nulled),
        already_loaded=False,
        seconds=time.monotonic() - started,
    )


def _stage(cursor: dbapi.Cursor, source: Source, file: InputFile, now: datetime, progress: ProgressCallback) -> Tally:
    """Read the file into temporary tables and return what was counted on the way."""
    for statement in (merge_sql.TRANSACTION_SETTING, *merge_sql.STAGING):
        cursor.execute(statement)
    parser, mentions, tally = Parser(source.rules, now), MentionCounter(), Tally()
    for batch in source.read(file):
        parsed = parser.parse(batch)
        tally.add(batch, parsed)
        _ingest(cursor, "staged_rejects", parsed.rejects)
        if parsed.listens.num_rows:
            split = mentions.split(parsed.listens)
            _ingest(cursor, "staged_users", split.users)
            _ingest(cursor, "staged_artists", split.artists)
            _ingest(cursor, "staged_tracks", split.tracks)
            _ingest(cursor, "staged_listens", split.listens)
        progress(Progress(file, "reading", batch.done, tally.rows_read))
    return tally


def _ingest(cursor: dbapi.Cursor, table: str, rows: pa.Table) -> None:
    if rows.num_rows:
        cursor.adbc_ingest(table, rows, mode="append", temporary=True)


def _merge(cursor: dbapi.Cursor, statements: dict[str, str], staged: int, progress: Callable[[float], None]) -> int:
    """Move the staged rows into raw.* and return how many of the `staged` listens were new."""
    loaded = 0
    for position, (name, statement) in enumerate(statements.items(), 1):
        if name != "duplicates" or loaded < staged:
            cursor.execute(statement)
        if name == "listens":
            loaded = cursor.rowcount
        progress(position / len(statements))
    return loaded


def _lock(cursor: dbapi.Cursor) -> None:
    """Wait until no other load is merging; held to the end of the transaction."""
    acquire(cursor, merge_sql.LOCK)


def _keep_profiles(cursor: dbapi.Cursor, file_id: int, profiles: pa.Table) -> None:
    _lock(cursor)
    cursor.execute(merge_sql.STAGED_PROFILES)
    _ingest(cursor, "staged_profiles", profiles)
    cursor.execute(merge_sql.keep_profiles(file_id))
    cursor.execute(merge_sql.describe_users(merge_sql.USERS_OF_PROFILES))


def _stops_every_load(cause: BaseException | None) -> bool:
    """Whether it is the warehouse that failed, and not what one file holds."""
    if not isinstance(cause, adbc_driver_manager.Error):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith((*_LOST_STATES, *_MISSING_TABLE_STATES))


def _refused(file: InputFile, error: adbc_driver_manager.Error) -> AudoticsError:
    if error.sqlstate in _MISSING_TABLE_STATES:
        return AudoticsError("the warehouse has no raw tables yet; run `audotics migrate`, which creates them")
    return AudoticsError(f"PostgreSQL failed while loading {file}, nothing of it was loaded: {error}; load it again")
