"""When people listen: sessions at the hours, on the days and in the time zone of each user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.ingest.sample_world.config import SECONDS_PER_DAY, SampleWorld, SampleWorldError
from assets.ingest.sample_world.listeners import COUNTRIES, HABIT_WEEKDAY_PULL, Listeners

# Per habit: three peaks (local hour, spread in hours) and how much each weighs on weekdays and at weekends.
PEAK_HOUR = np.array([[8.0, 18.0, 21.5], [10.0, 14.0, 20.5], [19.0, 21.0, 15.0], [23.5, 25.5, 17.0]])
PEAK_SPREAD = np.array([[0.6, 0.8, 1.5], [1.2, 1.5, 1.5], [1.3, 1.2, 3.0], [1.2, 1.5, 2.5]])
WEEKDAY_PEAKS = np.array([[0.40, 0.40, 0.20], [0.45, 0.40, 0.15], [0.35, 0.55, 0.10], [0.45, 0.35, 0.20]])
WEEKEND_PEAKS = np.array([[0.05, 0.25, 0.70], [0.20, 0.35, 0.45], [0.30, 0.40, 0.30], [0.45, 0.40, 0.15]])
SHORTEST_PAUSE = 40 * 60


@dataclass(frozen=True)
class Timetable:
    """Listens of a block of users, ordered by user and time; all arrays have one entry per listen."""

    user: np.ndarray  # int64, index in the block
    second: np.ndarray  # int64, start of playback in seconds from the start of the world
    opens_session: np.ndarray  # bool


def schedule(listeners: Listeners, config: SampleWorld, rng: np.random.Generator) -> Timetable:
    """Times for all listens of the given users.

    Within a session, starts are 2 to 6 minutes apart; between sessions at least 40 minutes pass, so that a
    30-minute gap finds exactly these sessions. No user has two listens in one second.
    """
    user = np.repeat(np.arange(len(listeners)), listeners.listens)
    opens = rng.random(len(user)) < (1.0 / listeners.session_length)[user]
    opens[np.flatnonzero(np.diff(user, prepend=-1))] = True
    first = np.flatnonzero(opens)
    session = np.cumsum(opens) - 1
    spacing = 120 + rng.integers(0, 121, len(user)) + rng.integers(0, 121, len(user))
    elapsed = np.cumsum(spacing) - spacing
    elapsed -= elapsed[first][session]
    session_user = user[first]
    wanted = _wish(session_user, listeners, config, rng)
    occupied = np.add.reduceat(spacing, first) + SHORTEST_PAUSE + rng.integers(0, 1_200, len(first))
    start = _spread(session_user, wanted, occupied, listeners)
    return Timetable(user=user, second=start[session] + elapsed, opens_session=opens)


def _wish(user: np.ndarray, listeners: Listeners, config: SampleWorld, rng: np.random.Generator) -> np.ndarray:
    """Start of each session by the user's habits alone, ordered by user and time (seconds from the start)."""
    joins, leaves, habit = listeners.joins[user], listeners.leaves[user], listeners.habit[user]
    day = joins + (rng.random(len(user)) * (leaves - joins)).astype(np.int64)
    weekday = (config.start.weekday() + day) % 7
    to_friday = (weekday >= 5) & (rng.random(len(user)) < np.array(HABIT_WEEKDAY_PULL)[habit])
    day = np.where(to_friday, np.maximum(day - rng.integers(2, 6, len(user)), joins), day)
    weekend = (config.start.weekday() + day) % 7 >= 5
    weights = np.where(weekend[:, None], WEEKEND_PEAKS[habit], WEEKDAY_PEAKS[habit])
    peak = (rng.random(len(user))[:, None] > np.cumsum(weights, axis=1)[:, :2]).sum(axis=1)
    hour = PEAK_HOUR[habit, peak] + listeners.hour_shift[user]
    hour = hour + PEAK_SPREAD[habit, peak] * rng.standard_normal(len(user))
    ahead = np.array([hours for _, _, hours in COUNTRIES])[listeners.country[user]]
    second: np.ndarray = day * SECONDS_PER_DAY + ((hour - ahead) * 3600).astype(np.int64)
    second = np.clip(second, joins * SECONDS_PER_DAY, leaves * SECONDS_PER_DAY - 1)
    return second[np.lexsort((second, user))]


def _spread(user: np.ndarray, wanted: np.ndarray, occupied: np.ndarray, listeners: Listeners) -> np.ndarray:
    """Starts as near after `wanted` as possible so that no session runs into the next, or past the end.

    With c = what a user's earlier sessions occupy, the earliest start without overlap is max over earlier
    sessions of (wanted - c) + c, and the latest that leaves room for the rest is (end - what is left).
    """
    opens_user = np.flatnonzero(np.diff(user, prepend=-1))
    rank = np.cumsum(np.diff(user, prepend=-1) > 0) - 1
    before = np.cumsum(occupied) - occupied
    before -= before[opens_user][rank]
    total = np.add.reduceat(occupied, opens_user)[rank]
    apart = int(wanted.max(initial=0) + total.max(initial=0) + 1)
    pushed = np.maximum.accumulate(wanted - before + rank * apart) - rank * apart + before
    latest = listeners.leaves[user] * SECONDS_PER_DAY - (total - before)
    start: np.ndarray = np.minimum(pushed, latest)
    if (start < listeners.joins[user] * SECONDS_PER_DAY).any():
        raise SampleWorldError(
            "sample world: a user's sessions do not fit into the days of membership; raise users or days"
        )
    return start
