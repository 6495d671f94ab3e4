"""Listens as arrays: their types, and how they are read from the warehouse."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import Connection, text

from warehouse.dates import sql_date, sql_instant
from warehouse.errors import AudoticsError

SECONDS_PER_DAY = 86_400
# Users whose candidates are made, stored, scored and judged together.
USERS_PER_BATCH = 2000

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float32]


def epoch_seconds(as_of: date) -> int:
    """The instant `as_of`: midnight UTC of that date, in epoch seconds."""
    return int(datetime.combine(as_of, time(), UTC).timestamp())


def _no_keys() -> Ints:
    return np.empty(0, np.int32)


@dataclass(frozen=True)
class UnlikelyListeners:
    """Users who cannot be people (core.dim_unlikely_listeners), parallel arrays.

    user_key: int32, ascending. since: int64, epoch seconds of the first `as_of` that knows.
    """

    user_key: Ints = field(default_factory=_no_keys)
    since: Ints = field(default_factory=_no_keys)

    def known_as_of(self, as_of: date) -> Ints:
        """Keys of those who were known as of a date, ascending."""
        return self.user_key[self.since <= epoch_seconds(as_of)]


@dataclass(frozen=True)
class Listens:
    """Listens as parallel arrays of length n, sorted by (user_key, listened_at).

    user_key, track_key: int32; listened_at: int64 epoch seconds (start of playback);
    session_key: int64, equal within one listening session. unlikely: who of the users cannot be a person.
    """

    user_key: Ints
    track_key: Ints
    listened_at: Ints
    session_key: Ints
    unlikely: UnlikelyListeners = field(default_factory=UnlikelyListeners)

    def __len__(self) -> int:
        return len(self.user_key)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> "Listens":
        """From a frame with these four columns in any row order; `listened_at` in epoch seconds."""
        ordered = frame.sort_values(["user_key", "listened_at", "track_key"], kind="stable")
        return cls(
            user_key=ordered["user_key"].to_numpy(np.int32),
            track_key=ordered["track_key"].to_numpy(np.int32),
            listened_at=ordered["listened_at"].to_numpy(np.int64),
            session_key=ordered["session_key"].to_numpy(np.int64),
        )

    def between(self, start: date, end: date) -> "Listens":
        """The listens with `start <= listened_at < end` (midnights UTC)."""
        keep = (self.listened_at >= epoch_seconds(start)) & (self.listened_at < epoch_seconds(end))
        return self.where(keep)

    def before(self, as_of: date) -> "Listens":
        """The listens with `listened_at < as_of`."""
        return self.between(date.min.replace(year=1970), as_of)

    def where(self, keep: npt.NDArray[np.bool_]) -> "Listens":
        """Those of the listens: bool (n,)."""
        columns = (self.user_key, self.track_key, self.listened_at, self.session_key)
        user, track, instant, session = (column[keep] for column in columns)
        return Listens(user, track, instant, session, self.unlikely)

    def of_people(self, as_of: date) -> "Listens":
        """The listens without those of users who were known, as of a date, not to be people.

        What others are shown or told is learned from these alone.
        """
        unlikely = self.unlikely.known_as_of(as_of)
        return self.where(~np.isin(self.user_key, unlikely)) if len(unlikely) else self


def read_listens(connection: Any, as_of: date, start: date | None = None) -> Listens:
    """Listens in `[start, as_of)` from core.fct_listens; without `start`, everything before `as_of`. With them, who is
    known by then not to be a person.

    Times are cut to whole seconds. `connection` is an ADBC PostgreSQL connection (warehouse.engine.adbc_connect).
    """
    since = "" if start is None else f"and listened_at >= {sql_instant(start)}"
    # A bare cast rounds, which would move the last half second before `as_of` to `as_of` itself.
    query = f"""
        select user_key, track_key, floor(extract(epoch from listened_at))::bigint as listened_at, session_key
        from core.fct_listens
        where listened_at < {sql_instant(as_of)} {since}
        order by user_key, listened_at, track_key
    """
    types = {"user_key": np.int32, "track_key": np.int32, "listened_at": np.int64, "session_key": np.int64}
    parts: dict[str, list[Ints]] = {name: [np.empty(0, kind)] for name, kind in types.items()}
    with connection.cursor() as cursor:
        cursor.execute(query)
        # Batch by batch, and then column by column: never all of it in memory twice.
        for batch in cursor.fetch_record_batch():
            for name, kind in types.items():
                parts[name].append(batch[name].to_numpy().astype(kind))
        unlikely = _read_unlikely(cursor, as_of)
    return Listens(**{name: np.concatenate(parts.pop(name)) for name in types}, unlikely=unlikely)


def unlikely_as_of(day: str, users: str) -> str:
    """SQL: the user of a row of `users` was known as of a date, not to be a person."""
    return (
        "exists (select from core.dim_unlikely_listeners as unlikely"
        f" where unlikely.user_key = {users}.user_key and unlikely.unlikely_since <= {day})"
    )


def _read_unlikely(cursor: Any, as_of: date) -> UnlikelyListeners:
    cursor.execute(
        "select user_key, extract(epoch from unlikely_since)::bigint as since from core.dim_unlikely_listeners"
        f" where unlikely_since <= {sql_date(as_of)} order by user_key"
    )
    found = cursor.fetch_arrow_table()
    return UnlikelyListeners(found["user_key"].to_numpy().astype(np.int32), found["since"].to_numpy())


def require_listens_before(connection: Connection, as_of: date) -> None:
    """Raise AudoticsError, saying when listening starts, when there is nothing to learn from as of a date."""
    first = connection.scalar(text("select min(listened_at) from core.fct_listens"))
    if first is None:
        raise AudoticsError(f"no listens to learn from as of {as_of}: the warehouse is empty; ingest some first")
    if first.date() >= as_of:
        raise AudoticsError(
            f"no listens before {as_of}: the first one is of {first:%Y-%m-%d %H:%M} UTC;"
            " choose a later --as-of or ingest older listens"
        )
