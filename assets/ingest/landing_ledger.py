"""What became of the files of the landing folder: the rows of raw.landed_files."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from assets.ingest.landing_layout import Landed


@dataclass(frozen=True)
class Noted:
    """A file of the landing folder as a run last found it.

    Attributes:
        format: as raw.ingest_files has it; empty where it was not read.
        fault: what is wrong with it; None where nothing is.
        is_set_aside: whether it waits for a change, of it or its mapping, or until somebody asks.
        tries: how often it was tried as it is.
    """

    path: str
    bytes: int
    version: str
    format: str
    fault: str | None
    is_set_aside: bool
    tries: int
    since: datetime

    @property
    def stamp(self) -> tuple[int, str]:
        """What a change shows in."""
        return self.bytes, self.version

    def is_of(self, landed: Landed) -> bool:
        """Whether nothing has changed since: neither the file nor what reads it."""
        return (self.stamp, self.format) == (landed.file.stamp, landed.format)


def read_landed(connection: Connection, only_faults: bool = False) -> dict[str, Noted]:
    """Return what is noted of each file, by its path, in the order of paths."""
    rows = connection.execute(_FAULTS if only_faults else _NOTED)
    return {row["path"]: Noted(**row) for row in rows.mappings()}


def note(connection: Connection, landed: Landed, fault: str | None, is_set_aside: bool) -> None:
    """Note what became of a file as it was listed."""
    connection.execute(
        _NOTE,
        {
            "path": landed.file.path,
            "bytes": landed.file.size,
            "version": landed.file.version,
            "format": landed.format,
            "fault": fault,
            "is_set_aside": is_set_aside,
        },
    )


def forget_gone(connection: Connection, paths: Iterable[str]) -> None:
    """Take out what is noted of files that are gone; rows that another run is at are left to it."""
    connection.execute(_FORGET, {"paths": list(paths)})


def ask_again(connection: Connection) -> list[str]:
    """Let the next run try what could not be loaded, set aside or not; return the paths of that."""
    return sorted(connection.scalars(_ASK_AGAIN))


_COLUMNS = "path, bytes, version, format, fault, is_set_aside, tries, since"
_NOTED = text(f"SELECT {_COLUMNS} FROM raw.landed_files ORDER BY path")
_FAULTS = text(f"SELECT {_COLUMNS} FROM raw.landed_files WHERE fault IS NOT NULL ORDER BY path")
_AS_IT_WAS = (
    "(noted.bytes, noted.version, noted.format, noted.fault IS NULL)"
    " = (excluded.bytes, excluded.version, excluded.format, excluded.fault IS NULL)"
)
_NOTE = text(
    f"""
    INSERT INTO raw.landed_files AS noted (path, bytes, version, format, fault, is_set_aside)
    VALUES (:path, :bytes, :version, :format, :fault, :is_set_aside)
    ON CONFLICT (path) DO UPDATE
    SET
        bytes = excluded.bytes, version = excluded.version, format = excluded.format,
        fault = excluded.fault, is_set_aside = excluded.is_set_aside,
        tries = CASE WHEN {_AS_IT_WAS} THEN noted.tries + 1 ELSE 1 END,
        since = CASE WHEN {_AS_IT_WAS} THEN noted.since ELSE excluded.since END
    """
)
# Two runs that take out the same rows do not wait for each other, in whatever order they come to them.
_FORGET = text(
    "DELETE FROM raw.landed_files WHERE path IN"
    " (SELECT path FROM raw.landed_files WHERE path = ANY(:paths) FOR UPDATE SKIP LOCKED)"
)
# Without a version it is another file to the next run, and new to the sensor.
_ASK_AGAIN = text(
    "UPDATE raw.landed_files SET version = '', is_set_aside = false WHERE fault IS NOT NULL AND format <> ''"
    " RETURNING path"
)
