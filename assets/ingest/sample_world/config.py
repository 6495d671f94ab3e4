"""What a sample world is asked to be, and its calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from assets.ingest.sample_world.genres import GENRES
from warehouse.errors import AudoticsError

SECONDS_PER_DAY = 86_400
FRIDAY = 4
# Above this a listener would have no room left for half-hour pauses between sessions.
MOST_LISTENS_PER_DAY = 60
SHORTEST_MEMBERSHIP_DAYS = 14
_FEWEST_TRACKS = 8 * len(GENRES)


class SampleWorldError(AudoticsError):
    """The world asked for cannot exist; the message says which option to change."""


@dataclass(frozen=True, kw_only=True)
class SampleWorld:
    """Size, period and seed of a sample world.

    `listens` counts the clean listens exactly; planted defects come on top. Listening covers the `days` days
    before `until` (exclusive, midnight UTC). The same values give the same bytes.
    """

    until: date
    users: int = 2_000
    tracks: int = 10_000
    listens: int = 400_000
    days: int = 365
    seed: int = 7

    def __post_init__(self) -> None:
        fewest = {
            "users": 1,
            "tracks": _FEWEST_TRACKS,
            "listens": 1,
            "days": 2 * SHORTEST_MEMBERSHIP_DAYS,
            "seed": 0,
        }
        for option, least in fewest.items():
            if getattr(self, option) < least:
                raise SampleWorldError(f"sample world: {option} is {getattr(self, option)}, give at least {least}")

    @classmethod
    def of_users(cls, users: int, until: date) -> SampleWorld:
        """A world of this many users that is as busy as the default one: listens and tracks in the same proportion."""
        scale = users / cls.users
        tracks = max(_FEWEST_TRACKS, round(cls.tracks * scale))
        return cls(until=until, users=users, tracks=tracks, listens=round(cls.listens * scale))

    @property
    def start(self) -> date:
        """First day of listening."""
        return self.until - timedelta(days=self.days)

    @property
    def _days_into_first_week(self) -> int:
        return (self.start.weekday() - FRIDAY) % 7

    @property
    def weeks(self) -> int:
        """Number of release weeks (Friday to Thursday) that the period touches."""
        return int(self.week_of(np.array([self.days - 1]))[0]) + 1

    def week_of(self, day: np.ndarray) -> np.ndarray:
        """Release week of each day (days and weeks counted from 0 at `start`)."""
        return (day + self._days_into_first_week) // 7

    def friday_of(self, week: np.ndarray) -> np.ndarray:
        """Day on which each week (1 or later) begins: music is released on Fridays."""
        return week * 7 - self._days_into_first_week
