"""Tracks like a track, artists like an artist: what is heard in the same sessions and by the same listeners."""

from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import Protocol

import numpy as np
import numpy.typing as npt

from assets.candidates.history import History, decayed
from assets.candidates.session_cooccurrence import session_weights
from assets.candidates.source import ABSENT, ranks_within, top_k
from assets.candidates.user_neighbours import unit_rows
from assets.listens import Floats, Ints, Listens
from assets.public import LEAST_LISTENERS

# Dense float32 scores of one block of items against all others are held at a time, once per source.
_BLOCK_BYTES = 32 << 20


class Item(StrEnum):
    """What is alike. Artists are learnt about as tracks are, from histories in which artists take the tracks' place."""

    TRACK = "track"
    ARTIST = "artist"


class SimilaritySource(Protocol):
    """Says how alike every item of a history is to some of them."""

    name: str

    def scores(self, codes: Ints) -> Floats:
        """Float32 array (len(codes), items), owned by the caller: higher is more alike, not above 0 is nothing."""
        ...


@dataclass(frozen=True)
class SimilarConfig:
    """Chosen on 30Music, four `as_of` dates up to 2014-12-01 (docs/adr/0014-similar-items.md).

    session_decay_days: of the sessions that testify. session_popularity: how much an item that is everywhere counts
    less, from 0 (not at all) to 1. considered: items each source puts forward; rank_offset: added to their ranks before
    these are inverted and summed. length: of the lists. least_listeners: that an item and another must have in common
    for the one to be in the list of the other.
    """

    session_decay_days: float = 400.0
    session_popularity: float = 0.25
    considered: int = 200
    rank_offset: float = 20.0
    length: int = 50
    least_listeners: int = LEAST_LISTENERS


class InSessions:
    """Score of item j for i: w(i and j) / w(j)^popularity, w the weight of the sessions that hold it, or both.

    A session weighs exp(-age/decay) / sqrt(distinct items), as in SessionCooccurrence, but all sessions of a listener
    together no more than one of today: whoever plays the same two items all day long says so once.
    """

    name = "in_sessions"

    def __init__(self, history: History, config: SimilarConfig) -> None:
        newest = np.full(len(history.sessions), np.inf)
        np.minimum.at(newest, history.session_code, history.age_days)
        decay = decayed(newest, config.session_decay_days)
        listener = np.zeros(len(history.sessions), np.int64)
        listener[history.session_code] = history.user_code
        decay /= np.maximum(np.bincount(listener, weights=decay), 1.0)[listener]
        self._holds = session_weights(history.session_code, history.track_code, decay, len(history.tracks))
        self._by_item = self._holds.T.tocsr()
        alone = np.asarray(self._holds.multiply(self._holds).sum(axis=0)).ravel()
        # A history has no item without a session; one from long ago may weigh nothing that float32 could show.
        self._scale = (np.maximum(alone, 1e-12) ** -config.session_popularity).astype(np.float32)

    def scores(self, codes: Ints) -> Floats:
        scores: Floats = (self._by_item[codes] @ self._holds).toarray() * self._scale
        return scores


class PlainCosine:
    """Score of item j for i: the cosine of their columns of the matrix of who heard what."""

    name = "cosine"

    def __init__(self, history: History) -> None:
        self._by_item = unit_rows(history.heard.T.tocsr())
        self._by_user = self._by_item.T.tocsr()

    def scores(self, codes: Ints) -> Floats:
        cosines: Floats = (self._by_item[codes] @ self._by_user).toarray()
        return cosines


class Blend:
    """Score of item j for i: the sum over sources of 1 / (rank_offset + j's rank among those most like i).

    Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): sources need not agree on what a score is. Ranked
    is only what `least_listeners` people of the history heard as well as i.
    """

    name = "similar"

    def __init__(self, sources: list[SimilaritySource], history: History, config: SimilarConfig) -> None:
        self._sources = sources
        self._by_user = history.heard
        self._by_item = history.heard.T.tocsr()
        self._config = config

    def scores(self, codes: Ints) -> Floats:
        too_few = (self._by_item[codes] @ self._by_user).toarray() < self._config.least_listeners
        return reduce(np.add, (self._votes(source, codes, too_few) for source in self._sources))

    def _votes(self, source: SimilaritySource, codes: Ints, too_few: npt.NDArray[np.bool_]) -> Floats:
        scores = _of_others(source, codes)
        scores[too_few] = ABSENT
        row, column = top_k(scores, self._config.considered)
        rank = ranks_within(row, scores[row, column])
        votes = np.zeros_like(scores)
        votes[row, column] = 1.0 / (self._config.rank_offset + rank)
        return votes


def similar(history: History, config: SimilarConfig) -> Blend:
    """The source of the lists that are published, fitted on a history of tracks or of artists."""
    return Blend([InSessions(history, config), PlainCosine(history)], history, config)


def nearest(source: SimilaritySource, codes: Ints, k: int, items: int) -> tuple[Ints, Floats]:
    """The k items most like each of `codes`, best first: their codes, -1 where a list is short, and their scores.

    Both arrays have the shape (len(codes), k). An item is never in its own list; equal scores go to the lower code, so
    the lists are the same on every run. Memory grows with the result, not with `items`².
    """
    found = np.full((len(codes), k), -1, np.int32)
    score = np.full((len(codes), k), np.nan, np.float32)
    rows = max(1, _BLOCK_BYTES // (4 * items))
    for start in range(0, len(codes), rows):
        scores = _of_others(source, codes[start : start + rows])
        row, column = top_k(scores, k)
        best = scores[row, column]
        place = ranks_within(row, best).astype(np.int64) - 1
        found[start + row, place] = column
        score[start + row, place] = best
    return found, score


def of_artists(listens: Listens, track_keys: Ints, artist_keys: Ints) -> Listens:
    """The listens with artists in the tracks' place; those of tracks without a known artist are left out.

    `track_keys` (sorted) and `artist_keys` are parallel: the tracks whose artist is known, and who that is.
    """
    known = np.isin(listens.track_key, track_keys)
    place = np.searchsorted(track_keys, listens.track_key[known])
    return Listens(
        listens.user_key[known],
        artist_keys[place].astype(np.int32),
        listens.listened_at[known],
        listens.session_key[known],
        listens.unlikely,
    )


def _of_others(source: SimilaritySource, codes: Ints) -> Floats:
    """Scores in which the items themselves, and those that have nothing in common with them, are absent."""
    scores = source.scores(codes)
    scores[scores <= 0] = ABSENT
    scores[np.arange(len(codes)), codes] = ABSENT
    return scores
