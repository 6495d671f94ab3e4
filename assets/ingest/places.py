"""Where loaded files lie, so that a file is known by its place, size and time of change without being hashed again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from adbc_driver_postgresql import dbapi

from assets.ingest.connection import stops_every_load
from assets.ingest.files import InputFile, Stamp
from warehouse.errors import AudoticsError


class ChangedError(AudoticsError):
    """A file is another one than when it began to be read: somebody is still writing it."""

    def __init__(self, file: InputFile) -> None:
        super().__init__(f"{file} changed while it was being read; try again when it is complete")


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

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Say of a file that is found to be at fault whether it was changed meanwhile, which then is the reason.

        Raises:
            ChangedError: it was.
        """
        try:
            yield
        except AudoticsError as error:
            if not stops_every_load(error.__cause__) and self._is_another():
                raise ChangedError(self.file) from error
            raise

    def _is_another(self) -> bool:
        """Whether the file was changed; not where it is gone, which is another fault."""
        try:
            return self.file.stamp() != self.stamp
        except (OSError, KeyError, AudoticsError):
            return False

    def require_unchanged(self) -> None:
        """Make sure that the file is the one that it was.

        Raises:
            ChangedError: it is another.
        """
        if self.file.stamp() != self.stamp:
            raise ChangedError(self.file)


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


def known_in(cursor: dbapi.Cursor, archive: str, stamp: str) -> dict[str, int]:
    """Return the loads of the members of an archive as it is, by their paths in it.

    Args:
        archive: its path or address, without a slash at the end.
        stamp: its size and version, as `Stamp.version` of a member has them.
    """
    cursor.execute(_KNOWN_IN, (f"{archive}/", stamp))
    return dict(cursor.fetchall())


_KNOWN_IN = """
SELECT DISTINCT ON (path) substr(path, length($1::text) + 1), file_id
FROM raw.file_places
WHERE starts_with(path, $1::text) AND coalesce(version, $2::text) = $2::text
ORDER BY path, hashed_at DESC
"""

_KNOWN_AT = """
SELECT file_id
FROM raw.file_places AS places INNER JOIN raw.ingest_files AS files USING (file_id)
WHERE
    places.path = $1 AND places.bytes = $2 AND places.version = $3
    AND (files.format = $4 OR $4 = ANY(files.earlier_formats)) AND files.told_user IS NOT DISTINCT FROM $5::text
ORDER BY file_id DESC
LIMIT 1
"""

_REMEMBER = """
INSERT INTO raw.file_places (file_id, path, bytes, version, hashed_at)
VALUES ($1, $2, $3, $4::text, clock_timestamp())
ON CONFLICT (path, file_id) DO UPDATE
SET bytes = excluded.bytes, version = excluded.version, hashed_at = excluded.hashed_at
"""
