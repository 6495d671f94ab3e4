"""What more people listen to this week than in the weeks before: the same for all users."""

from dataclasses import dataclass

import numpy as np

from assets.candidates.history import History
from assets.candidates.source import ABSENT
from assets.listens import Floats, Ints


@dataclass(frozen=True)
class TrendingConfig:
    """Days of the week and of the month that end at `as_of`; smoothing: listeners added to both."""

    week_days: float = 7.0
    month_days: float = 30.0
    smoothing: float = 5.0


class Trending:
    """Score of a track: (listeners of the week + s) / (listeners of the month · week/month + s), s the smoothing.

    Who heard a track at different times is one listener of each period. Without listeners this week, it is not offered.
    """

    name = "trending"

    def __init__(self, history: History, config: TrendingConfig) -> None:
        week = listeners_within(history.learned, config.week_days)
        month = listeners_within(history.learned, config.month_days) * (config.week_days / config.month_days)
        score = (week + config.smoothing) / (month + config.smoothing)
        self._score = np.where(week > 0, score, ABSENT).astype(np.float32)

    def scores(self, user_codes: Ints) -> Floats:
        return np.tile(self._score, (len(user_codes), 1))


def listeners_within(history: History, days: float) -> Ints:
    """How many users heard each track in the last `days` before `as_of`: int64 (tracks,)."""
    recent = history.age_days <= days
    tracks = len(history.tracks)
    heard = np.unique(history.user_code[recent].astype(np.int64) * tracks + history.track_code[recent])
    return np.bincount(heard % tracks, minlength=tracks)
