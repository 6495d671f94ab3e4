"""No list of similar items depends on one account, or shows what one person hears, whatever that account plays."""

from collections import defaultdict
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from assets.candidates.history import History
from assets.listens import Listens
from assets.public import LEAST_LISTENERS
from assets.similar.lists import public_history, similar_rows
from assets.similar.sources import InSessions, Item, SimilarConfig
from tests.unit.assets.candidates.small_listens import AS_OF, listens_of

CONFIG = SimilarConfig()
SEEDS = range(6)
ACCOUNT = 900
# Tracks that nobody else plays.
OWN = range(700, 760)

Rows = list[tuple[int, int, float, int]]


def world(seed: int, users: int = 14, tracks: int = 50) -> Rows:
    """Rows for listens_of: some tracks are heard by many, many by one or two."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for session in range(draw.integers(1, 6)):
            age = float(draw.uniform(0.5, 300))
            heard = draw.zipf(1.3, draw.integers(2, 9)) % tracks
            rows += [(user, int(track), age, 100 * user + session) for track in heard]
    return rows


def an_account(seed: int, plays: int = 1000) -> Rows:
    """Another account with any listening at all: common tracks and its own, in sessions of its own."""
    draw = np.random.default_rng(100 + seed)
    sessions = np.sort(draw.integers(0, 60, plays))
    tracks = np.where(draw.random(plays) < draw.random(), draw.integers(0, 50, plays), draw.choice(list(OWN), plays))
    return [
        (ACCOUNT, int(track), 1.0 + session / 10, 90_000 + int(session))
        for track, session in zip(tracks, sessions, strict=True)
    ]


def lists(rows: Rows) -> pd.DataFrame:
    """All lists as of the date: track_key, rank, similar_track_key, score."""
    history = public_history(listens_of(rows), AS_OF)
    tables = similar_rows(history, Item.TRACK, CONFIG) if history else ()
    frames = [table.to_pandas() for table in tables]
    return pd.concat(frames) if frames else pd.DataFrame({"track_key": [], "similar_track_key": []})


def in_common(rows: Rows) -> dict[frozenset[int], int]:
    """How many accounts heard both of two tracks, counted one by one."""
    heard = defaultdict(set)
    for user, track, _, _ in rows:
        heard[user].add(track)
    pairs: dict[frozenset[int], int] = defaultdict(int)
    for tracks in heard.values():
        for pair in combinations(tracks, 2):
            pairs[frozenset(pair)] += 1
    return pairs


def pairs_of(found: pd.DataFrame) -> list[frozenset[int]]:
    return [frozenset((int(a), int(b))) for a, b in zip(found["track_key"], found["similar_track_key"], strict=True)]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_listed_is_shared_by_enough_people_whoever_comes_and_whoever_goes(seed: int) -> None:
    rows = world(seed)
    users = sorted({user for user, *_ in rows})
    with_account = rows + an_account(seed)
    worlds = [rows, with_account, *([row for row in with_account if row[0] != user] for user in users[:4])]
    for each in worlds:
        shared = in_common(each)
        found = lists(each)
        assert all(shared[pair] >= LEAST_LISTENERS for pair in pairs_of(found))
    assert len(lists(rows)) > 20, "or nothing was tried"
    listed = set(lists(with_account)[["track_key", "similar_track_key"]].to_numpy().ravel().tolist())
    assert not listed & set(OWN)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_account_that_plays_what_nobody_else_does_changes_no_byte(seed: int) -> None:
    rows = world(seed)
    draw = np.random.default_rng(seed)
    own = [(ACCOUNT, int(draw.choice(list(OWN))), 1.0 + n / 500, 90_000 + n // 20) for n in range(1000)]
    pd.testing.assert_frame_equal(lists(rows), lists(rows + own))


@pytest.mark.parametrize("seed", SEEDS)
def test_how_often_an_account_plays_something_changes_no_byte(seed: int) -> None:
    rows = world(seed)
    heavy = [row for row in rows if row[0] == 3]
    pd.testing.assert_frame_equal(lists(rows), lists(rows + heavy * 300))


def test_a_thousand_sessions_of_one_account_count_as_one() -> None:
    others = [(user, track, 50.0, user) for user in range(3) for track in (1, 2, 3)]
    config = SimilarConfig(session_popularity=0.0)

    def score(of_account: Rows) -> float:
        return float(InSessions(History(listens_of(others + of_account), AS_OF), config).scores(np.array([0]))[0, 1])

    once = score([(ACCOUNT, track, 0.001, 500) for track in (1, 2)])
    again = score([(ACCOUNT, track, 0.001 + n, 500 + n) for n in range(1000) for track in (1, 2)])
    assert score([]) < again <= once * (1 + 1e-4)


def test_where_nobody_shares_anything_there_are_no_lists() -> None:
    alone = [(0, track, 5.0, 1) for track in range(30)]
    two = alone + [(1, track, 5.0, 2) for track in range(30)]
    assert public_history(listens_of(alone), AS_OF) is None
    assert public_history(listens_of(two), AS_OF) is None
    assert public_history(Listens(*(np.empty(0, np.int64) for _ in range(4))), AS_OF) is None
    three = two + [(2, track, 5.0, 3) for track in range(30)]
    assert len(lists(three)) == 30 * 29
