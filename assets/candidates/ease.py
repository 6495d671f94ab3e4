"""A linear model of what is played together: every track predicted from all others, in closed form."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from assets.candidates.history import Floats, History, Ints, rows_of
from assets.candidates.source import ABSENT


@dataclass(frozen=True)
class EaseConfig:
    """play_decay_days: of the user's plays that vote. regularization: added to the diagonal.

    tracks: of the most heard tracks, beyond which the dense matrix is not worth its memory (4 bytes · tracks²).
    """

    play_decay_days: float = 90.0
    regularization: float = 200.0
    tracks: int = 8_000
    threads: int = 2


class Ease:
    """Score of track j: the sum over the user's tracks i of decayed plays(i) · B(i, j).

    B is the item-item matrix of EASE-R (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019),
    fitted on users and limited to the most heard tracks; other tracks are not offered.
    """

    name = "ease"

    def __init__(self, history: History, config: EaseConfig) -> None:
        listeners = np.bincount(history.heard.indices, minlength=len(history.tracks))
        self._columns = np.sort(np.argsort(-listeners, kind="stable")[: config.tracks])
        heard = history.heard[:, self._columns]
        gram = (heard.T @ heard).toarray()
        gram[np.diag_indices_from(gram)] += config.regularization
        with threadpool_limits(config.threads, "blas"):
            factor, _ = linalg.lapack.spotrf(gram.T, lower=True, overwrite_a=True)
            inverse, _ = linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
        inverse = np.tril(inverse)
        diagonal = np.diag(inverse).copy()
        inverse += np.tril(inverse, -1).T
        inverse /= -diagonal[None, :]
        np.fill_diagonal(inverse, 0.0)
        self._weights = inverse.astype(np.float32, copy=False)
        self._plays: sparse.csr_matrix = history.plays(config.play_decay_days)[:, self._columns]
        self._width = len(history.tracks)

    def scores(self, user_codes: Ints) -> Floats:
        scores = np.full((len(user_codes), self._width), ABSENT, dtype=np.float32)
        scores[:, self._columns] = rows_of(self._plays, user_codes) @ self._weights
        scores[scores <= 0] = ABSENT
        return scores
