"""What users with the same taste play lately."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from assets.candidates.history import History, rows_of
from assets.candidates.source import only_positive, strongest
from assets.listens import Floats, Ints

# Users whose likeness to every peer is worked out at a time.
_BLOCK = 500


@dataclass(frozen=True)
class UserNeighboursConfig:
    """neighbours: per user. most_active: users, those who play most lately, who may be neighbours: so a
    user's cost does not grow with users.

    taste_decay_days: of the plays that make two users alike. play_decay_days: of the neighbours' plays that vote.
    """

    neighbours: int = 100
    most_active: int = 10_000
    taste_decay_days: float = 180.0
    play_decay_days: float = 60.0


class UserNeighbours:
    """Score of track j: the sum over the user's nearest neighbours of similarity · log(1 + decayed plays of j).

    Similarity is the cosine of log(1 + decayed plays), each track weighed by its inverse document frequency.
    """

    name = "user_neighbours"

    def __init__(self, history: History, config: UserNeighboursConfig) -> None:
        learned = history.learned
        taste = history.plays(config.taste_decay_days)
        taste.data = np.log1p(taste.data)
        rarity = np.log1p(len(learned.users) / np.maximum(learned.listeners, 1))
        taste.data *= rarity[taste.indices].astype(np.float32)
        self._taste = unit_rows(taste)
        plays = learned.plays(config.play_decay_days)
        # Those who still play: of a peer who left there is nothing to vote with.
        activity = np.asarray(plays.sum(axis=1)).ravel()
        peers = np.sort(np.argsort(-activity, kind="stable")[: config.most_active])
        self._peers = history.user_codes(learned.users[peers])
        self._peer_taste = self._taste[self._peers].T.tocsr()
        plays = plays[peers]
        plays.data = np.log1p(plays.data)
        self._peer_plays = plays
        self._neighbours = config.neighbours

    def scores(self, user_codes: Ints) -> Floats:
        blocks = [self._votes(user_codes[at : at + _BLOCK]) for at in range(0, max(1, len(user_codes)), _BLOCK)]
        return only_positive(sparse.vstack(blocks, format="csr"))

    def _votes(self, user_codes: Ints) -> sparse.csr_matrix:
        alike = (rows_of(self._taste, user_codes) @ self._peer_taste).tocsr()
        row = np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))
        # Nobody is a neighbour of their own.
        alike.data[self._peers[alike.indices] == user_codes[row]] = 0
        return strongest(alike, self._neighbours) @ self._peer_plays


def unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix with every row scaled to length 1; empty rows stay empty."""
    norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.repeat(1.0 / np.maximum(norm, np.finfo(np.float32).tiny), np.diff(matrix.indptr))
    return sparse.csr_matrix(((matrix.data * scale).astype(np.float32), matrix.indices, matrix.indptr), matrix.shape)
