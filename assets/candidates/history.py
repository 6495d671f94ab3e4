"""What was known before `as_of`, as the matrices that every candidate source is fitted on."""

from copy import copy
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from assets.listens import SECONDS_PER_DAY, Ints, Listens, epoch_seconds

# Keys that are looked up at a time.
_BLOCK = 1_000_000
# Of a decayed listen: float32 holds it, and its product with another one. Reached after 34.5 times the decay.
LEAST_WEIGHT = 1e-15


def decayed(age_days: npt.NDArray[np.float64], decay_days: float) -> npt.NDArray[np.float64]:
    """What is left of 1 after these ages: exp(-age/decay_days), and never less than LEAST_WEIGHT.

    So what was heard twenty years ago still counts for more than what was never heard.
    """
    return np.maximum(np.exp(-age_days / decay_days), LEAST_WEIGHT)


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
        self.heard = _ones(self.plays())
        self._of_people: History | None = None
        if len(unlikely := listens.unlikely.known_as_of(as_of)):
            of_people = ~np.isin(listens.user_key, unlikely)
            if of_people.any() and not of_people.all():
                self._of_people = self._part(of_people)

    @property
    def learned(self) -> "History":
        """The part that says something about others: what a source learns, it learns from this, and what it knows of
        the user whom it is asked about, from the whole.

        Its tracks are those of the whole, its users and sessions those of people. Where no user is known not to be one,
        or all are, it is the history itself.
        """
        return self._of_people or self

    def _part(self, kept: npt.NDArray[np.bool_]) -> "History":
        """The history of some of the listens, in which tracks have the codes that they have in this one."""
        part = copy(self)
        part.users, part.user_code = _codes(self.users[self.user_code[kept]])
        part.sessions, part.session_code = _codes(self.sessions[self.session_code[kept]])
        part.track_code, part.age_days = self.track_code[kept], self.age_days[kept]
        part.heard = _ones(part.plays())
        return part

    @cached_property
    def listeners(self) -> npt.NDArray[np.int64]:
        """How many users heard each track: int64 (tracks,). In `learned`, that may be none."""
        return np.bincount(self.heard.indices, minlength=len(self.tracks))

    def plays(self, decay_days: float | None = None) -> sparse.csr_matrix:
        """Listens per (user, track), each weighted by `decayed` when decay_days is given: float32 CSR."""
        weight = np.ones(len(self.age_days)) if decay_days is None else decayed(self.age_days, decay_days)
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


def _ones(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """1 wherever the matrix has an entry, in place."""
    matrix.data[:] = 1.0
    return matrix


def rows_of(matrix: sparse.csr_matrix, codes: Ints) -> sparse.csr_matrix:
    """Rows of a CSR matrix by code, an empty row for code -1."""
    known = np.flatnonzero(codes >= 0)
    pick = sparse.csr_matrix(
        (np.ones(len(known), dtype=matrix.dtype), (known, codes[known])), shape=(len(codes), matrix.shape[0])
    )
    return pick @ matrix
