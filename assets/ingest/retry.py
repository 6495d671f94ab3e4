"""Read the rejected rows of a load again, under a corrected mapping or by newer code; the rest of the load stays."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import adbc_driver_manager
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

from assets.ingest.connection import connect, refused_by_server, roll_back, tidy_up
from assets.ingest.files import InputFile
from assets.ingest.formats.recognise import recognise
from assets.ingest.listing import list_files
from assets.ingest.load import silent
from assets.ingest.places import Place, remember
from assets.ingest.records import Progress, ProgressCallback, RawBatch, Source
from assets.ingest.refusal import Tally, faults_named
from assets.ingest.staging import lock, merge_kind, stage
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError

# What can be added to a load row by row.
_RETRIED = ("listens", "blocks")


@dataclass(frozen=True)
class RetryReport:
    """What became of the rejected rows of one load; retried = loaded + duplicate + left_out + rejected.

    Attributes:
        reasons: those rejected again, by reason, most frequent first.
    """

    file_id: int
    file: str
    format: str
    retried: int
    loaded: int
    duplicate: int
    left_out: int
    rejected: int
    reasons: dict[str, int]


class _Record(NamedTuple):
    """A load as raw.ingest_files has it."""

    file_id: int
    path: str
    format: str
    told_user: str | None
    assumed_user: str | None
    sha256: str
    rows_read: int
    rows_rejected: int
    rows_left_out: int
    has_expired: bool
    kind: str
    source: str | None


@dataclass
class _Retried:
    """Yields of a file's batches only the rows of some lines, and counts what it has read."""

    lines: pa.ChunkedArray
    rows_read: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def of(self, batches: Iterator[RawBatch]) -> Iterator[RawBatch]:
        for batch in batches:
            self.rows_read += batch.rows_read
            self.left_out.update(batch.left_out)
            rows, rejects = (table.filter(pc.is_in(table["line"], self.lines)) for table in (batch.rows, batch.rejects))
            yield RawBatch(rows, rejects, batch.done)


def retry_rejects(
    warehouse_url: str,
    file_id: int,
    source: Tabular | None = None,
    path: str | Path | None = None,
    progress: ProgressCallback = silent,
) -> RetryReport:
    """Load what can be loaded now of the rows that a load rejected, in one transaction, under the same file_id.

    The rows that were loaded stay as they are, keys included, and so does what was left out.

    Args:
        warehouse_url: the warehouse.
        file_id: the load.
        source: the reader of a corrected mapping; by default the format it was loaded as.
        path: where the file lies now; by default where it lay when it was loaded.
        progress: is told how far it is.

    Raises:
        AudoticsError: there is no such load, its rejected rows have expired, the file is not there or another one, or
            under the mapping it has other rows than before. Nothing has changed then.
    """
    with connect(warehouse_url) as connection:
        with connection.cursor() as cursor:
            record = _read_record(cursor, file_id)
        connection.rollback()
        reader, file = _reader(record, source, path)
        if record.rows_rejected == 0:
            return RetryReport(file_id, str(file), record.format, 0, 0, 0, 0, 0, {})
        try:
            with faults_named(file), connection.cursor() as cursor:
                place = Place.of(file)
                _require_same_file(record, reader, file)
                report = _retry(cursor, record, reader, place, progress)
                remember(cursor, place, file_id)
            connection.commit()
            tidy_up(connection)
            return report
        except adbc_driver_manager.Error as error:
            raise refused_by_server(file, error) from error
        finally:
            roll_back(connection)


def _read_record(cursor: dbapi.Cursor, file_id: int) -> _Record:
    cursor.execute(_RECORD, (file_id,))
    row = cursor.fetchone()
    if row is None:
        raise AudoticsError(f"there is no load with the file_id {file_id}; `audotics ingest list` shows them")
    record = _Record(*row)
    if record.has_expired:
        raise AudoticsError(
            f"the rejected rows of file_id {file_id} have expired, so nobody knows which lines they were; undo the load"
            f" with `audotics ingest forget {file_id}` and load {record.path} again"
        )
    return record


def _reader(record: _Record, source: Tabular | None, path: str | Path | None) -> tuple[Source, InputFile]:
    """Return what reads the file, and the file where it lies."""
    given = str(path or record.path)
    try:
        listing = list_files(given)
    except AudoticsError as error:
        raise AudoticsError(
            f"file_id {record.file_id} was loaded from {record.path}: {error}, or say with --path where it lies now"
        ) from error
    if len(listing.files) != 1 or not listing.files[0].is_named:
        raise AudoticsError(f"{given} is not one file; give the file itself with --path")
    (file,) = listing.files
    if source is not None:
        return source, file
    if record.format.startswith("tabular/"):
        raise AudoticsError(f"file_id {record.file_id} was read by a mapping; say with --mapping which one to use now")
    name, _, zone = record.format.partition("/")
    return recognise(given, name, record.told_user, record.assumed_user, zone or None).source.for_file(file), file


def _require_same_file(record: _Record, source: Source, file: InputFile) -> None:
    if source.rules.kind not in _RETRIED or source.rules.kind != record.kind:
        raise AudoticsError(
            f"{file} was loaded as {record.kind} and would be read as {source.rules.kind}, and only listens as listens"
            " and blocks as blocks are retried; undo the load with"
            f" `audotics ingest forget {record.file_id}` and load it again"
        )
    if file.sha256() != record.sha256:
        raise AudoticsError(
            f"{file} has other bytes than what was loaded as file_id {record.file_id}; load it as a file of its own,"
            " or say with --path where the file lies"
        )
    differing = {
        "whose listens they are": (record.told_user, source.told_user(file)),
        "their source": (record.source or source.rules.source, source.rules.source),
    }
    for what, (before, now) in differing.items():
        if before != now:
            raise AudoticsError(
                f"file_id {record.file_id}: {what} would be {now}, not {before} as in the rows that are loaded;"
                f" undo the load with `audotics ingest forget {record.file_id}` and load {file} again"
            )


def _retry(
    cursor: dbapi.Cursor, record: _Record, source: Source, place: Place, progress: ProgressCallback
) -> RetryReport:
    cursor.execute("SELECT line FROM raw.rejected_listens WHERE file_id = $1", (record.file_id,))
    retried = _Retried(cursor.fetch_arrow_table()["line"])
    batches = retried.of(source.read(place.file))
    tally = stage(cursor, place.file, batches, source.rules, datetime.now(UTC), progress)
    left_out = len(retried.lines) - tally.rows_read
    _require_same_rows(record, retried, left_out, place)
    lock(cursor)
    if _read_record(cursor, record.file_id) != record:
        raise AudoticsError(f"file_id {record.file_id} was changed meanwhile; run the command again")
    cursor.execute(f"DELETE FROM raw.rejected_listens WHERE file_id = {record.file_id:d}")
    loaded = merge_kind(
        cursor,
        record.file_id,
        source.rules,
        tally,
        lambda done: progress(Progress(place.file, "writing", done, tally.rows_read)),
    )
    _record_retry(cursor, record, source, tally, loaded, retried)
    return RetryReport(
        file_id=record.file_id,
        file=str(place.file),
        format=source.format,
        retried=len(retried.lines),
        loaded=loaded,
        duplicate=tally.listens - loaded,
        left_out=left_out,
        rejected=tally.rows_rejected,
        reasons=tally.by_reason(),
    )


def _require_same_rows(record: _Record, retried: _Retried, left_out: int, place: Place) -> None:
    place.require_unchanged()
    advice = (
        f"undo the load with `audotics ingest forget {record.file_id}` and load {place.file} again under this mapping"
    )
    if retried.rows_read != record.rows_read:
        raise AudoticsError(
            f"{place.file} has {retried.rows_read:,} rows read this way, and had {record.rows_read:,}: which of them"
            f" were rejected cannot be told; {advice}"
        )
    if retried.left_out.total() != record.rows_left_out + left_out:
        raise AudoticsError(f"{place.file}: other rows than before would be left out, not only rejected ones; {advice}")


def _record_retry(
    cursor: dbapi.Cursor, record: _Record, source: Source, tally: Tally, loaded: int, retried: _Retried
) -> None:
    left_out = retried.left_out.total() - record.rows_left_out
    counts = loaded, tally.rows_rejected, tally.listens - loaded, left_out
    told = json.dumps(retried.left_out), json.dumps(tally.rejected), tally.first_listened_at, tally.last_listened_at
    cursor.execute(_RECORD_RETRY, (record.file_id, source.format, *counts, *told))


_RECORD = """
SELECT
    file_id, path, format, told_user, assumed_user, sha256, rows_read, rows_rejected, rows_left_out,
    rejects_expired_at IS NOT NULL,
    kind,
    coalesce(
        (SELECT source FROM raw.listens AS listens WHERE listens.file_id = files.file_id LIMIT 1),
        (SELECT source FROM raw.duplicate_listens AS others WHERE others.file_id = files.file_id LIMIT 1)
    )
FROM raw.ingest_files AS files
WHERE file_id = $1
"""

_RECORD_RETRY = """
UPDATE raw.ingest_files
SET
    format = $2,
    earlier_formats = CASE
        WHEN format = $2 OR format = ANY(earlier_formats) THEN earlier_formats ELSE earlier_formats || format
    END,
    rows_loaded = rows_loaded + $3,
    rows_rejected = $4,
    rows_duplicate = rows_duplicate + $5,
    rows_left_out = rows_left_out + $6,
    left_out = $7::text::jsonb,
    rejected = $8::text::jsonb,
    first_listened_at = least(first_listened_at, $9::timestamptz),
    last_listened_at = greatest(last_listened_at, $10::timestamptz),
    retried_at = clock_timestamp()
WHERE file_id = $1
"""
