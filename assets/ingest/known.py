"""Whether a file is in the warehouse already: known by where it lies, or by its bytes; or so in another way."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adbc_driver_postgresql import dbapi

from assets.ingest.files import InputFile
from assets.ingest.places import Place, known_at, known_in
from assets.ingest.records import LoadReport, Source
from assets.ingest.refusal import most_frequent_first
from warehouse.errors import AudoticsError


@dataclass(frozen=True)
class Hashed:
    """A file as it was when its bytes were hashed."""

    place: Place
    sha256: str

    @property
    def file(self) -> InputFile:
        return self.place.file


def known_by_place(cursor: dbapi.Cursor, source: Source, place: Place, started: float) -> LoadReport | None:
    """Return the load of what lies there, if nothing has changed since."""
    file_id = known_at(cursor, place, source.format, source.told_user(place.file))
    return None if file_id is None else _reported(cursor, file_id, str(place.file), started)


def known_by_bytes(
    cursor: dbapi.Cursor, source: Source, hashed: Hashed, started: float, shared: bool
) -> LoadReport | None:
    """Return the load of these bytes, read as they would be and of the same user.

    Raises:
        AudoticsError: they are loaded in another format, or as another user's and not said to be `shared`.
    """
    user = source.told_user(hashed.file)
    cursor.execute(_SAME_BYTES, (hashed.sha256, source.format, user, source.assumed_user))
    same = [_Same(*row) for row in cursor.fetchall()]
    for each in same:
        if each.is_same_format and each.is_same_user:
            return _reported(cursor, each.file_id, str(hashed.file), started)
    for each in same:
        # Of no rows nothing would be there twice. The ledger tells loads of the same bytes apart by who was told.
        if each.rows_read and not (shared and each.is_same_format and each.told_user != user):
            raise AudoticsError(_refusal(each, hashed.file, source, user))
    return None


def loaded_from(connection: dbapi.Connection, archive: str, address: str, stamp: str) -> list[LoadReport]:
    """Report, without opening it, the loads of the files in an archive as it lies there.

    Args:
        archive: its name, for the reports.
        address: its whole path or address, as `InputFile.address` of a file in it begins.
        stamp: as for `known_in`.
    """
    started = time.monotonic()
    with connection.cursor() as cursor:
        reports = [
            _reported(cursor, file_id, f"{archive}/{name}", started)
            for name, file_id in known_in(cursor, address, stamp).items()
        ]
    connection.rollback()
    return reports


@dataclass(frozen=True)
class _Same:
    """A load of the same bytes.

    Attributes:
        told_user, assumed_user: as raw.ingest_files has them.
        is_same_user: whether its listens are those of the same user, or users.
    """

    file_id: int
    path: str
    format: str
    told_user: str | None
    assumed_user: str | None
    rows_read: int
    is_same_format: bool
    is_same_user: bool


def _refusal(load: _Same, file: InputFile, source: Source, user: str | None) -> str:
    same = f"{file} has the same bytes as {load.path}, which was loaded as"
    undo = f"undo that load first with `audotics ingest forget {load.file_id}`"
    if not load.is_same_format:
        return (
            f"{same} {load.format} (file_id {load.file_id}): read as {source.format}, its listens would be there twice;"
            f" read its rejected rows so with `audotics rejects retry --file {load.file_id}`, or {undo}"
        )
    before, now = _whose(load.told_user, load.assumed_user), _whose(user, source.assumed_user)
    named = user or source.assumed_user
    told = "--mapping … --shared" if source.format.startswith("tabular/") else f"--user {named} --shared"
    return (
        f"{same} those of {before} (file_id {load.file_id}): loaded as those of {now} as well, its listens would be"
        f" there twice; if both listened to them, load it with `audotics ingest {told}`, else {undo}, or leave it"
    )


def _whose(told: str | None, assumed: str | None) -> str:
    return told or assumed or "whom its rows name"


def _reported(cursor: dbapi.Cursor, file_id: int, file: str, started: float) -> LoadReport:
    cursor.execute(_LOADED_AS, (file_id,))
    return _as_loaded(cursor.fetchone(), file, started)


def _as_loaded(row: Sequence[Any], file: str, started: float) -> LoadReport:
    file_id, file_format, sha256, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out, *rest = row
    left_out, rejected, first_listened_at, last_listened_at = rest
    return LoadReport(
        file_id=file_id,
        file=file,
        format=file_format,
        sha256=sha256,
        rows_read=rows_read,
        rows_loaded=rows_loaded,
        rows_rejected=rows_rejected,
        rows_duplicate=rows_duplicate,
        rows_left_out=rows_left_out,
        rejected_by_reason=most_frequent_first(json.loads(rejected)),
        left_out_by_rule=most_frequent_first(json.loads(left_out)),
        nulled={},
        first_listened_at=first_listened_at,
        last_listened_at=last_listened_at,
        already_loaded=True,
        seconds=time.monotonic() - started,
    )


_LOADED_AS = """
SELECT
    file_id, format, sha256, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out, left_out::text,
    rejected::text, first_listened_at, last_listened_at
FROM raw.ingest_files
WHERE file_id = $1
"""

_MENTIONS = "FROM raw.user_mentions INNER JOIN raw.users USING (user_key) WHERE user_mentions.file_id = files.file_id"
# Where a user was told, all rows are theirs. Where none was, a row belongs to the user that it names, and one that
# names nobody to the user that was assumed; who is not among its users was not needed.
_SAME_BYTES = f"""
SELECT
    file_id, path, format, told_user, assumed_user, rows_read,
    format = $2 OR $2 = ANY(earlier_formats),
    CASE
        WHEN told_user IS NOT NULL THEN told_user IS NOT DISTINCT FROM coalesce($3::text, $4::text)
        WHEN $3::text IS NOT NULL
        THEN EXISTS (SELECT {_MENTIONS}) AND NOT EXISTS (SELECT {_MENTIONS} AND users.user_id <> $3::text)
        ELSE
            coalesce(assumed_user = $4::text, true)
            OR NOT EXISTS (SELECT {_MENTIONS} AND users.user_id = files.assumed_user)
    END
FROM raw.ingest_files AS files
WHERE sha256 = $1
ORDER BY told_user IS NOT DISTINCT FROM $3::text DESC, file_id
"""
