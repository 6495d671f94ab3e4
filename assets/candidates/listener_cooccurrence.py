"""Tracks that share listeners with what the user plays, however far apart in time."""

from dataclasses import dataclass

import numpy as np

from assets.candidates.history import Floats, History, Ints, rows_of
from assets.candidates.session_cooccurrence import conditional, cooccurrence
from assets.candidates.source import only_positive


@dataclass(frozen=True)
class ListenerCooccurrenceConfig:
    """As SessionCooccurrenceConfig, with users in the place of sessions."""

    play_decay_days: float = 90.0
    shrinkage: float = 2.0
    neighbours: int = 300


class ListenerCooccurrence:
    """Score of track j: the sum over the user's tracks i of decayed plays(i) · P(j | i), P counted over users."""

    name = "listener_cooccurrence"

    def __init__(self, history: History, config: ListenerCooccurrenceConfig) -> None:
        together = cooccurrence(history.user_code, history.track_code, np.ones(len(history.users)))
        self._neighbours = conditional(together, config.shrinkage, config.neighbours)
        self._plays = history.plays(config.play_decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._plays, user_codes) @ self._neighbours)
