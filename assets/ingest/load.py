"""Load files of listens into the raw schema: one transaction per file, all of it or nothing."""

import getpass
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.ingest import merge_sql
from assets.ingest.connection import connect, refused_by_server, roll_back, stops_every_load, tidy_up
from assets.ingest.files import InputFile
from assets.ingest.find import find_files
from assets.ingest.known import Hashed, known_by_bytes, known_by_place
from assets.ingest.listing import Listing
from assets.ingest.places import Place, remember
from assets.ingest.records import LoadReport, Progress, ProgressCallback, Source
from assets.ingest.refusal import Tally, faults_named, most_frequent_first, refusal
from assets.ingest.staging import ingest, lock, merge_kind, stage
from warehouse.errors import AudoticsError


@dataclass(frozen=True)
class _Loading:
    """What is asked of a load.

    Attributes:
        loaded_by: as raw.ingest_files has it.
        rehash: whether files are hashed though their places say that nothing has changed.
        shared: whether a file is loaded though another user's is the same.
    """

    source: Source
    loaded_by: str
    rehash: bool
    shared: bool
    progress: ProgressCallback


def load_files(
    warehouse_url: str,
    source: Source,
    paths: Sequence[Path | str | Listing],
    progress: ProgressCallback | None = None,
    refused: list[AudoticsError] | None = None,
    *,
    loaded_by: str | None = None,
    rehash: bool = False,
    shared: bool = False,
    connection: dbapi.Connection | None = None,
) -> list[LoadReport]:
    """Load what lies at paths or addresses, as `files.list_files` takes them, in the order given.

    Each file is one transaction. A file whose bytes are in the warehouse in the same format is left alone and
    reported as it was loaded. Where its place, size and time of change say that these are its bytes, they are not
    read, unless `rehash` asks for it. The same bytes of another user are refused, unless they are `shared`. Other
    processes may load at the same time: they read in parallel and merge one after another.

    `loaded_by` says who loads, by default the login name. `connection` is one of `connection.connect`, which whoever
    opened it tidies up after; by default these files get one of their own.

    With `refused`, a path without a file of listens, and a file that is damaged or misread, or whose rows PostgreSQL
    refuses, raises nothing: the reason is added there, and the others are loaded.

    Raises:
        AudoticsError: a path does not exist or holds no listens (before anything is loaded), a file is damaged or
            misread, another session has the lock of loads for too long, or PostgreSQL fails. Files before it stay
            loaded; of the file itself nothing does.
    """
    files = [file for path in paths for file in find_files(source, path, refused)]
    loading = _Loading(source, loaded_by or login_name(), rehash, shared, progress or silent)
    if connection is not None:
        return _load_each(connection, loading, files, refused)
    with connect(warehouse_url) as own:
        reports = _load_each(own, loading, files, refused)
        tidy_up(own)
        return reports


def _load_each(
    connection: dbapi.Connection, loading: _Loading, files: Sequence[InputFile], refused: list[AudoticsError] | None
) -> list[LoadReport]:
    reports = []
    for file in files:
        try:
            reports.append(_load(connection, loading, file))
        except AudoticsError as error:
            warehouse_failed = stops_every_load(error.__cause__)
            if refused is None or warehouse_failed:
                # The files before it stay loaded, and will be read.
                if reports and not warehouse_failed:
                    # Without it the files are read all the same, and the error is of another.
                    with suppress(adbc_driver_manager.Error):
                        tidy_up(connection)
                raise
            refused.append(error)
    return reports


def login_name() -> str:
    """The login name of whoever runs this process; a container may know only the number of its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def silent(progress: Progress) -> None:
    """Report to nobody."""


def _load(connection: dbapi.Connection, loading: _Loading, file: InputFile) -> LoadReport:
    started, source = time.monotonic(), loading.source
    try:
        with faults_named(file):
            place = Place.of(file)
        with place.held_still(), faults_named(file):
            profiles = source.profiles(file)
            with connection.cursor() as cursor:
                report = None if loading.rehash else known_by_place(cursor, source, place, started)
                if report is None:
                    hashed = Hashed(place, file.sha256())
                    report = known_by_bytes(cursor, source, hashed, started, loading.shared)
                    if report is None:
                        report = _load_new(cursor, loading, hashed, started)
                    remember(cursor, place, report.file_id)
                if profiles is not None:
                    _keep_profiles(cursor, report.file_id, profiles)
            connection.commit()
            return report
    except adbc_driver_manager.Error as error:
        raise refused_by_server(file, error) from error
    finally:
        roll_back(connection)


def _load_new(cursor: dbapi.Cursor, loading: _Loading, hashed: Hashed, started: float) -> LoadReport:
    file, started_at = hashed.file, datetime.now(UTC)
    source = loading.source.for_file(file)
    tally = stage(cursor, file, source.read(file), source.rules, started_at, loading.progress)
    if message := refusal(file, tally, source.rules, started_at):
        raise AudoticsError(message)
    hashed.place.require_unchanged()
    lock(cursor)
    # Another process may have loaded the same bytes between the first look and the lock.
    if report := known_by_bytes(cursor, source, hashed, started, loading.shared):
        return report
    cursor.execute(merge_sql.NEXT_FILE_ID)
    (file_id,) = cursor.fetchone()
    loaded = merge_kind(
        cursor,
        file_id,
        source.rules,
        tally,
        lambda done: loading.progress(Progress(file, "writing", done, tally.rows_read)),
    )
    duplicate = tally.listens - loaded
    _record(cursor, file_id, loading, hashed, source, started_at, tally, loaded)
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
        first_listened_at=tally.first_listened_at,
        last_listened_at=tally.last_listened_at,
        already_loaded=False,
        seconds=time.monotonic() - started,
    )


def _record(
    cursor: dbapi.Cursor,
    file_id: int,
    loading: _Loading,
    hashed: Hashed,
    source: Source,
    started_at: datetime,
    tally: Tally,
    loaded: int,
) -> None:
    """Enter the load into the ledger."""
    file = hashed.file
    identity = file_id, hashed.sha256, source.format, file.address, hashed.place.stamp.size
    counts = tally.rows_read, loaded, tally.rows_rejected, tally.listens - loaded, tally.rows_left_out
    told = json.dumps(tally.left_out), json.dumps(tally.rejected), tally.first_listened_at, tally.last_listened_at
    who = source.told_user(file), loading.loaded_by, source.rules.kind, source.assumed_user
    cursor.execute(merge_sql.RECORD_FILE, (*identity, *counts, *told, started_at, *who, tally.ends_whole))


def _keep_profiles(cursor: dbapi.Cursor, file_id: int, profiles: pa.Table) -> None:
    cursor.execute(merge_sql.STAGED_PROFILES)
    ingest(cursor, "staged_profiles", profiles)
    cursor.execute(merge_sql.profiles_differ(file_id))
    (differ,) = cursor.fetchone()
    if not differ:
        return
    lock(cursor)
    cursor.execute(merge_sql.keep_profiles(file_id))
    cursor.execute(merge_sql.describe_users(merge_sql.USERS_OF_PROFILES))
