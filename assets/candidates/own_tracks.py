"""The user's own tracks, by decayed plays or by recency: the sources behind repeats."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from assets.candidates.history import Floats, History, Ints, rows_of
from assets.candidates.source import only_positive


@dataclass(frozen=True)
class OwnTracksConfig:
    decay_days: float = 60.0


class OwnTracks:
    """Score of a heard track: the sum over its listens of exp(-age/decay_days)."""

    name = "own_tracks"

    def __init__(self, history: History, config: OwnTracksConfig) -> None:
        self._plays = history.plays(config.decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._plays, user_codes))


class OwnRecency:
    """Score of a heard track: 1 / (1 + days since this user last heard it)."""

    name = "own_recency"

    def __init__(self, history: History) -> None:
        latest = sparse.csr_matrix(history.heard, copy=True)
        cell = history.user_code.astype(np.int64) * len(history.tracks) + history.track_code
        order = np.lexsort((history.age_days, cell))
        first = np.flatnonzero(np.r_[True, np.diff(cell[order]) != 0])
        # `heard` is in (user, track) order without duplicates, which is the order of the sorted cells.
        latest.data = (1.0 / (1.0 + history.age_days[order][first])).astype(np.float32)
        self._latest = latest

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._latest, user_codes))
