"""What was known before `as_of`: listens as arrays, and the matrices every candidate source is fitted on."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

SECONDS_PER_DAY = 86_400
# Keys that are looked up at a time.
_BLOCK = 1_000_000

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
    since = "" if start is None else f"and listened_at >= to_timestamp({epoch_seconds(start)})"
    # A bare cast rounds, which would move the last half second before `as_of` to `as_of` itself.
    query = f"""
        select user_key, track_key, floor(extract(epoch from listened_at))::bigint as listened_at, session_key
        from core.fct_listens
        where listened_at < to_timestamp({epoch_seconds(as_of)}) {since}
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


class History:
    """Listens before `as_of` with users, tracks and sessions renumbered densely.

    users, tracks: sorted unique keys (int32); a "code" is a position in them. Codes depend on nothing but the
    listens before `as_of`, so keys handed out later cannot change what a source learns.
    """

    def __init__(self, listens: Listens, as_of: date) -> None:
        """Raises ValueError when a listen is at or after `as_of`, or when there are none at all."""
        instant = epoch_seconds(as_of)
        if len(listens) == 0:
            raise ValueError(f"no listens before {as_of}: nothing to fit candidate sources on")
        if int(listens.listened_at.max()) >= instant:
            raise ValueError(f"a listen at or after as_of {as_of} was given to the candidate sources")
        self.as_of = as_of
        self.users, self.user_code = _codes(listens.user_key)
        self.tracks, self.track_code = _codes(listens.track_key)
        self.sessions, self.session_code = _codes(listens.session_key)
        self.age_days = (instant - listens.listened_at) / SECONDS_PER_DAY
        self.heard = self.plays()
        self.heard.data[:] = 1.0

    def plays(self, decay_days: float | None = None) -> sparse.csr_matrix:
        """Listens per (user, track), each weighted by exp(-age/decay_days) when that is given: float32 CSR."""
        weight = np.ones(len(self.age_days)) if decay_days is None else np.exp(-self.age_days / decay_days)
        shape = (len(self.users), len(self.tracks))
        # SciPy sums duplicates in float64 here; the cast comes last.
        return sparse.csr_matrix((weight, (self.user_code, self.track_code)), shape=shape).astype(np.float32)

    @cached_property
    def days_since_heard(self) -> sparse.csr_matrix:
        """Days from the last listen of each heard (user, track) to `as_of`, all above 0: float64 CSR."""
        cell = self.user_code.astype(np.int64) * len(self.tracks) + self.track_code
        order = np.lexsort((self.age_days, cell))
        latest = order[np.flatnonzero(np.r_[True, np.diff(cell[order]) != 0])]
        shape = (len(self.users), len(self.tracks))
        return sparse.csr_matrix(
            (self.age_days[latest], (self.user_code[latest], self.track_code[latest])), shape=shape
        )

    def user_codes(self, user_keys: Ints) -> Ints:
        """Codes of user keys; -1 for a user without a listen before `as_of`."""
        found = np.searchsorted(self.users, user_keys)
        found = np.minimum(found, len(self.users) - 1)
        return np.where(self.users[found] == user_keys, found, -1)


def _codes(keys: Ints) -> tuple[Ints, Ints]:
    """The sorted unique keys, and the position of each key in them (int32): a third of the memory of np.unique's."""
    unique = np.unique(keys)
    codes = np.empty(len(keys), np.int32)
    for start in range(0, len(keys), _BLOCK):
        codes[start : start + _BLOCK] = np.searchsorted(unique, keys[start : start + _BLOCK])
    return unique, codes


def rows_of(matrix: sparse.csr_matrix, codes: Ints) -> sparse.csr_matrix:
    """Rows of a CSR matrix by code, an empty row for code -1."""
    known = np.flatnonzero(codes >= 0)
    pick = sparse.csr_matrix(
        (np.ones(len(known), dtype=matrix.dtype), (known, codes[known])), shape=(len(codes), matrix.shape[0])
    )
    return pick @ matrix
