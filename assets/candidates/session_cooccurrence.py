"""Tracks that share listening sessions with what the user plays."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from assets.candidates.history import Floats, History, Ints, rows_of
from assets.candidates.source import only_positive


@dataclass(frozen=True)
class SessionCooccurrenceConfig:
    """decay_days: of the user's plays that vote. shrinkage: co-occurrences a pair must outgrow."""

    decay_days: float = 90.0
    shrinkage: float = 5.0
    neighbours: int = 300


class SessionCooccurrence:
    """Score: the user's decayed plays times the shrunk session cosine between tracks.

    similarity(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage), n counted over sessions; i != j; the best `neighbours`
    per track are kept. The cosine of Sarwar et al., "Item-based collaborative filtering" (WWW 2001), shrunk as in
    Bell and Koren (KDD Cup 2007).
    """

    name = "session_cooccurrence"

    def __init__(self, history: History, config: SessionCooccurrenceConfig) -> None:
        shape = (len(history.sessions), len(history.tracks))
        ones = np.ones(len(history.track_code), dtype=np.float32)
        played = sparse.csr_matrix((ones, (history.session_code, history.track_code)), shape=shape)
        played.data[:] = 1.0
        together = (played.T @ played).tocsr()
        sessions = together.diagonal()
        together.setdiag(0)
        together.eliminate_zeros()
        i, j = together.nonzero()
        together.data /= np.sqrt(sessions[i] * sessions[j]) + config.shrinkage
        self._similarity = strongest(together, config.neighbours)
        self._plays = history.plays(config.decay_days)

    def scores(self, user_codes: Ints) -> Floats:
        return only_positive(rows_of(self._plays, user_codes) @ self._similarity)


def strongest(matrix: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """The k largest entries of each row of a CSR matrix (the lower column among equals), as CSR."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, row))
    kept = order[np.arange(len(order)) - matrix.indptr[row] < k]
    return sparse.csr_matrix((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)
