"""Listens to fit candidate sources on: at random, and tiny checkerboards with a known right answer."""

from datetime import date

import numpy as np
import pandas as pd

from assets.candidates.history import History
from assets.candidates.pool import Sources
from assets.candidates.source import CandidateSource
from assets.catalogue import Catalogue, Links
from assets.listens import SECONDS_PER_DAY, Listens, epoch_seconds
from assets.slates import Slate

AS_OF = date(2020, 3, 1)
UNKNOWN_USER = 77_777


def listens_of(rows: list[tuple[int, int, float, int]]) -> Listens:
    """Listens from (user_key, track_key, age in days, session_key)."""
    frame = pd.DataFrame(rows, columns=["user_key", "track_key", "age", "session_key"])
    frame["listened_at"] = (epoch_seconds(AS_OF) - frame["age"] * SECONDS_PER_DAY).astype(np.int64)
    return Listens.from_frame(frame)


def checkerboard(users: int = 20, tracks: int = 20) -> Listens:
    """User u hears every track of its own parity but one: track u (u + 0), in one session ten days ago."""
    pairs = [(u, t) for u in range(users) for t in range(tracks) if u % 2 == t % 2 and u != t]
    return listens_of([(u, t, 10.0 - t / 1000, u) for u, t in pairs])


def random_listens(seed: int = 5) -> Listens:
    """400 listens of 12 users and 60 tracks with gaps in both key spaces."""
    draw = np.random.default_rng(seed)
    users, tracks = draw.integers(0, 12, 400) * 3 + 1, (draw.zipf(1.5, 400) % 60) * 7 + 2
    sessions = users * 10 + draw.integers(0, 4, 400)
    ages = draw.uniform(0.01, 200, 400)
    return listens_of(list(zip(users.tolist(), tracks.tolist(), ages.tolist(), sessions.tolist(), strict=True)))


def lists_of(source: CandidateSource, history: History, users: list[int], slate: Slate, k: int = 10) -> pd.DataFrame:
    return Sources(history, {source.name: lambda: source}, {source.name: k}).lists(
        source.name, np.array(users), slate, k
    )


def pairs_heard(history: History) -> tuple[np.ndarray, np.ndarray]:
    heard = history.heard.tocoo()
    return history.users[heard.row], history.tracks[heard.col]


# Of the keys of random_listens: five artists, four tags, everybody in one country; and tracks nobody has heard.
EVERYTHING = Catalogue(
    artists=Links.of([(t, t % 5) for t in range(500)]),
    tags=Links.of([(t, tag) for t in range(500) for tag in (t % 4, 9)]),
    countries=Links.of([(u, 3) for u in range(100)]),
)
