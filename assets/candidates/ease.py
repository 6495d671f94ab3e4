"""A linear model of what is played together: every track predicted from all others, in closed form."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from assets.candidates.history import History, rows_of
from assets.candidates.source import ABSENT
from assets.listens import Floats, Ints

# Columns of the dense matrices that are worked on at a time.
_BLOCK = 1_000

# Not as many as configured: BLAS adds up in another order in another number of threads, and rounds differently then.
_BLAS_THREADS = 2


@dataclass(frozen=True)
class EaseConfig:
    """play_decay_days: of the user's plays that vote. regularization: added to the diagonal.

    tracks: how many of the most heard there may be in the dense matrix, which takes 4 bytes · tracks² and
    tracks³ multiplications.
    """

    play_decay_days: float = 180.0
    regularization: float = 800.0
    tracks: int = 12_000


class Ease:
    """Score of track j: the sum over the user's tracks i of log(1 + decayed plays(i)) · B(i, j).

    B is the item-item matrix of EASE-R (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019),
    fitted on who heard what and limited to the most heard tracks; other tracks are not offered. Regularisation and
    decay were chosen on 30Music as of 2014-12-01. On one kind of CPU the same history and config give the same bits,
    whatever number of threads is configured.
    """

    name = "ease"

    def __init__(self, history: History, config: EaseConfig) -> None:
        listeners = history.learned.listeners
        most_heard = np.argsort(-listeners, kind="stable")[: config.tracks]
        self._columns = np.sort(most_heard[listeners[most_heard] > 0])
        plays = history.plays(config.play_decay_days)[:, self._columns]
        plays.data = np.log1p(plays.data)
        self._plays = plays
        self._width = len(history.tracks)
        gram = _gram(history.learned.heard[:, self._columns])
        gram[np.diag_indices_from(gram)] += config.regularization
        with threadpool_limits(_BLAS_THREADS, "blas"):
            # In place: LAPACK takes the transpose, which is the matrix itself, in its own order of memory.
            factor, failed = linalg.lapack.spotrf(gram.T, lower=True, overwrite_a=True)
            if not failed:
                inverse, failed = linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
        if failed:
            raise ValueError(f"EASE: no inverse with regularization {config.regularization}; give a larger one")
        _mirror(inverse)
        # Symmetric by now: the transpose is the matrix in the order in which rows are multiplied without a copy.
        weights = inverse.T
        weights /= -np.diag(weights).copy()[None, :]
        np.fill_diagonal(weights, 0.0)
        self._weights = weights

    def scores(self, user_codes: Ints) -> Floats:
        scores = np.full((len(user_codes), self._width), ABSENT, dtype=np.float32)
        scores[:, self._columns] = rows_of(self._plays, user_codes) @ self._weights
        scores[scores <= 0] = ABSENT
        return scores


def _gram(heard: sparse.csr_matrix) -> Floats:
    """heard' · heard, dense float32."""
    by_track = heard.T.tocsr()
    gram = np.empty((by_track.shape[0], by_track.shape[0]), dtype=np.float32)
    for start in range(0, len(gram), _BLOCK):
        gram[start : start + _BLOCK] = (by_track[start : start + _BLOCK] @ heard).toarray()
    return gram


def _mirror(matrix: Floats) -> None:
    """Copies the lower triangle of a square matrix onto the upper one, in place."""
    for start in range(0, len(matrix), _BLOCK):
        stop = start + _BLOCK
        corner = np.tril(matrix[start:stop, start:stop])
        matrix[start:stop, start:stop] = corner + np.tril(corner, -1).T
        matrix[start:stop, stop:] = matrix[stop:, start:stop].T
