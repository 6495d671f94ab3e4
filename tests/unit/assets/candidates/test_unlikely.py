"""What sources learn does not depend on users who cannot be people, who are offered something all the same."""

from dataclasses import replace

import numpy as np
import pytest

from assets.candidates.history import History
from assets.candidates.registry import SOURCES
from assets.candidates.source import ABSENT
from assets.listens import SECONDS_PER_DAY, Listens, UnlikelyListeners, epoch_seconds
from tests.unit.assets.candidates.small_listens import AS_OF, EVERYTHING, listens_of, random_listens
from tests.unit.assets.candidates.test_registry import CONFIGS

# Between the keys of random_listens: a bot plays tracks that people play and, first and last of all keys, its own.
BOT = 5
OWN = [0, 499]


def with_bot(people: Listens, known_from: int = 0) -> Listens:
    """The same listens and those of the bot, who is known that many days before AS_OF, or after it if negative."""
    common, counts = np.unique(people.track_key, return_counts=True)
    played = [*common[np.argsort(counts)][:5].tolist(), *OWN]
    rows = [(BOT, track, 0.01 + play / 1000, 1_000 + play) for play in range(300) for track in played]
    theirs = listens_of(rows)
    columns = ("user_key", "track_key", "listened_at", "session_key")
    both = Listens(*(np.concatenate([getattr(people, name), getattr(theirs, name)]) for name in columns))
    order = np.lexsort((both.track_key, both.listened_at, both.user_key))
    since = np.array([epoch_seconds(AS_OF) - known_from * SECONDS_PER_DAY])
    return replace(both.where(order), unlikely=UnlikelyListeners(np.array([BOT], np.int32), since))


def scores(name: str, listens: Listens, users: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Of these users for these tracks, by key; ABSENT where the history does not know the track."""
    history = History(listens, AS_OF)
    entry = SOURCES[name]
    source = entry.fit(history, EVERYTHING, CONFIGS.get(name) or entry.config())
    found = np.full((len(users), len(tracks)), ABSENT)
    found[:, np.isin(tracks, history.tracks)] = source.scores(history.user_codes(users))
    return found


@pytest.mark.parametrize("name", list(SOURCES))
def test_what_people_are_offered_does_not_depend_on_a_known_bot(name: str) -> None:
    people = random_listens()
    users, tracks = np.unique(people.user_key), np.union1d(people.track_key, OWN)
    alone = scores(name, people, users, tracks)
    # A product of another shape may be rounded differently in its last bits.
    beside = scores(name, with_bot(people), users, tracks)
    np.testing.assert_allclose(beside, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in ("own_tracks", "own_recency")])
def test_a_bot_that_is_not_known_yet_would_be_seen(name: str) -> None:
    people = random_listens()
    users, tracks = np.unique(people.user_key), np.union1d(people.track_key, OWN)
    alone = scores(name, people, users, tracks)
    assert not np.allclose(scores(name, with_bot(people, known_from=-1), users, tracks), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(SOURCES))
def test_a_known_bot_is_offered_tracks(name: str) -> None:
    listens = with_bot(random_listens())
    tracks = np.unique(listens.track_key)
    offered = tracks[(scores(name, listens, np.array([BOT]), tracks) > ABSENT)[0]]
    assert len(offered) >= 3
    assert set(OWN) <= set(offered.tolist()) or not name.startswith("own_")


def test_where_nobody_else_is_left_everything_is_learned_from() -> None:
    people = random_listens()
    known = np.unique(people.user_key).astype(np.int32)
    all_known = replace(people, unlikely=UnlikelyListeners(known, np.zeros(len(known), np.int64)))
    history = History(all_known, AS_OF)
    assert history.learned is history


def test_the_learned_part_has_the_tracks_of_the_whole_and_the_users_of_people() -> None:
    people = random_listens()
    whole, alone = History(with_bot(people), AS_OF), History(people, AS_OF)
    assert np.array_equal(whole.learned.users, alone.users)
    assert np.array_equal(whole.learned.sessions, alone.sessions)
    assert whole.learned.tracks is whole.tracks
    assert set(OWN) <= set(whole.tracks.tolist())
    assert np.array_equal(whole.tracks[whole.learned.listeners > 0], alone.tracks)
