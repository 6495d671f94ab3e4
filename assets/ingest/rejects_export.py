"""All rejected rows as a file, for people to repair or to send back."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, text

from assets.ingest.rejected import rejected_rows, require_load
from assets.whole_file import whole_file
from warehouse.errors import AudoticsError

_FORMATS = (".csv", ".jsonl")
_ROW = ("file_id", "path", "line", "reason")


def export_rejects(connection: Connection, out: Path, file_id: int | None = None, reason: str | None = None) -> int:
    """Write rejected rows to a CSV or JSON lines file, as its suffix says, and return how many there are.

    A CSV file has a column for each mapped field that any of the rows has. The file is there when it is complete, or
    as it was.

    Raises:
        AudoticsError: there is no such load, the suffix says neither, or the file cannot be written.
    """
    if out.suffix.lower() not in _FORMATS:
        raise AudoticsError(f"cannot tell the format of {out} by its name; end it with {' or '.join(_FORMATS)}")
    # The rows have no other fields than were found before.
    connection.execute(_ONE_SNAPSHOT)
    if file_id is not None:
        require_load(connection, file_id)
    fields = sorted(connection.scalars(_FIELDS, {"file_id": file_id, "reason": reason}))
    rows = rejected_rows(connection, file_id, reason)
    try:
        with whole_file(out) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
            return _write_csv(stream, rows, fields) if out.suffix.lower() == ".csv" else _write(stream, rows)
    except OSError as error:
        raise AudoticsError(f"cannot write {out}: {error.strerror or error}; choose another place") from error


def _write_csv(stream: IO[str], rows: Iterator[dict[str, Any]], fields: list[str]) -> int:
    writer = csv.DictWriter(stream, [*_ROW, *fields], lineterminator="\n")
    writer.writeheader()
    written = 0
    for row in rows:
        said = row.pop("fields") or {}
        writer.writerow({**said, **row})
        written += 1
    return written


def _write(stream: IO[str], rows: Iterator[dict[str, Any]]) -> int:
    written = 0
    for row in rows:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        written += 1
    return written


_ONE_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
_FIELDS = text(
    "SELECT DISTINCT jsonb_object_keys(fields) FROM raw.rejected_listens"
    " WHERE file_id = coalesce(:file_id, file_id) AND reason = coalesce(:reason, reason) AND fields IS NOT NULL"
)
