"""Where loaded files lie, so that a file is known by its place, size and time of change without being hashed again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from adbc_driver_postgresql import dbapi

from assets.ingest.files import InputFile, Stamp


@dataclass(frozen=True)
class Place:
    """A file as it lay at one moment.

    Attributes:
        stamp: what a change from then on shows in, if it is settled.
    """

    file: InputFile
    stamp: Stamp
    seen_at: datetime

    @classmethod
    def of(cls, file: InputFile) -> Self:
        """Return where a file lies now, and how."""
        now = datetime.now(UTC)
        return cls(file, file.stamp(), now)

    @property
    def version(self) -> str | None:
        """What the file is known by beside its path and size; None where a later change might not show in it."""
        return self.stamp.version if self.stamp.is_settled(self.seen_at.timestamp()) else None


def known_at(cursor: dbapi.Cursor, place: Place, file_format: str, told_user: str | None) -> int | None:
    """Return the load of the bytes that lay there in this format and for this user, if nothing has changed since."""
    if place.version is None:
        return None
    key = place.file.address, place.stamp.size, place.version, file_format, told_user
    cursor.execute(_KNOWN_AT, key)
    row = cursor.fetchone()
    return row[0] if row else None


def remember(cursor: dbapi.Cursor, place: Place, file_id: int) -> None:
    """Note that the bytes of a load lie there, as they were hashed after `Place.of`."""
    cursor.execute(_REMEMBER, (file_id, place.file.address, place.stamp.size, place.version))


_KNOWN_AT = """
SELECT file_id
FROM raw.file_places AS places INNER JOIN raw.ingest_files AS files USING (file_id)
WHERE
    places.path = $1 AND places.bytes = $2 AND places.version = $3
    AND files.format = $4 AND files.told_user IS NOT DISTINCT FROM $5::text
ORDER BY file_id DESC
LIMIT 1
"""

_REMEMBER = """
INSERT INTO raw.file_places (file_id, path, bytes, version, hashed_at)
VALUES ($1, $2, $3, $4::text, clock_timestamp())
ON CONFLICT (path, file_id) DO UPDATE
SET bytes = excluded.bytes, version = excluded.version, hashed_at = excluded.hashed_at
"""
