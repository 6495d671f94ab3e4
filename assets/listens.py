"""Listens as arrays: their types, and how they are read from the warehouse."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import Connection, text

from warehouse.dates import sql_instant
from warehouse.errors import AudoticsError

SECONDS_PER_DAY = 86_400
# Users whose candidates are made, stored, scored and judged together.
USERS_PER_BATCH = 2000

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float32]


def epoch_seconds(as_of: date) -> int:
    """The instant `as_of`: midnight UTC of that date, in epoch seconds."""
    return int(datetime.combine(as_of, time(), UTC).timestamp())


@dataclass(frozen=True)
class Listens:
    """Listens as parallel arrays of length n, sorted by (user_key, listened_at).

    user_key, track_key: int32; listened_at: int64 epoch seconds (start of playback);
    session_key: int64, equal within one listening session.
    """

    user_key: Ints
    track_key: Ints
    listened_at: Ints
    session_key: Ints

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
        return Listens(self.user_key[keep], self.track_key[keep], self.listened_at[keep], self.session_key[keep])

    def before(self, as_of: date) -> "Listens":
        """The listens with `listened_at < as_of`."""
        return self.between(date.min.replace(year=1970), as_of)


def read_listens(connection: Any, as_of: date, start: date | None = None) -> Listens:
    """Listens in `[start, as_of)` from core.fct_listens; without `start`, everything before `as_of`.

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
    return Listens(**{name: np.concatenate(parts.pop(name)) for name in types})


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
