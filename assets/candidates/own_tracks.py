"""The user's own tracks, by decayed plays or by recency: the sources behind repeats."""

from dataclasses import dataclass

import numpy as np

from assets.candidates.history import History, rows_of
from assets.candidates.source import only_positive
from assets.listens import Floats, Ints


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
        latest = history.days_since_heard.astype(np.float32)
        latest.data = 1.0 / (1.0 + latest.data)
        self._latest = latest

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._latest, user_codes))
