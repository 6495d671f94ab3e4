"""Tracks that the same users play, whenever they play them."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from assets.candidates.history import History, rows_of
from assets.candidates.source import only_positive, strongest
from assets.listens import Floats, Ints

# Tracks whose similarities are worked out at a time.
_BLOCK = 1_000


@dataclass(frozen=True)
class ItemNeighboursConfig:
    """play_decay_days: of the user's plays that vote. k1, b: of BM25. neighbours: kept per track."""

    play_decay_days: float = 90.0
    k1: float = 1.2
    b: float = 0.75
    neighbours: int = 300


class ItemNeighbours:
    """Score of track j: the sum over the user's tracks i, j itself included, of decayed plays(i) · similarity(i, j).

    Similarity is the dot product of the tracks' columns of the user-track matrix under BM25 weights (Robertson and
    Zaragoza, "The probabilistic relevance framework", 2009): plays saturate, and users of many plays count less.
    """

    name = "item_neighbours"

    def __init__(self, history: History, config: ItemNeighboursConfig) -> None:
        weighted = bm25(history.learned.plays(), config.k1, config.b)
        by_track = weighted.T.tocsr()
        # Block by block, so that only what is kept is ever held whole.
        blocks = range(0, by_track.shape[0], _BLOCK)
        kept = [strongest(by_track[start : start + _BLOCK] @ weighted, config.neighbours) for start in blocks]
        self._neighbours = sparse.vstack(kept, format="csr")
        self._plays = history.plays(config.play_decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._plays, user_codes) @ self._neighbours)


def bm25(plays: sparse.csr_matrix, k1: float, b: float) -> sparse.csr_matrix:
    """BM25 weights of plays (users, tracks), a user taken for a document and a track for a term: float32 CSR."""
    users, tracks = plays.shape
    length = np.asarray(plays.sum(axis=1)).ravel()
    listeners = np.bincount(plays.indices, minlength=tracks)
    rarity = np.log1p(users / np.maximum(listeners, 1))
    row = np.repeat(np.arange(users), np.diff(plays.indptr))
    saturation = k1 * (1 - b + b * length[row] / length.mean())
    weight = plays.data * (k1 + 1) / (plays.data + saturation) * rarity[plays.indices]
    return sparse.csr_matrix((weight.astype(np.float32), plays.indices, plays.indptr), shape=plays.shape)
