"""Alternating least squares (`implicit`), users folded in from what they played lately."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from assets.candidates.history import History
from assets.candidates.source import ABSENT
from assets.listens import Floats, Ints
from assets.threads import thread_count


@dataclass(frozen=True)
class AlsConfig:
    factors: int = 128
    alpha: float = 40.0
    regularization: float = 100.0
    iterations: int = 15
    decay_days: float = 90.0
    seed: int = 1


def fit_track_vectors(history: History, config: AlsConfig) -> Floats:
    """The track side of the implicit-feedback factorisation of Hu, Koren and Volinsky (2008), from all that a
    history has to learn from.

    Float32 (tracks, factors), one row per track code; zeros where nothing is learned of a track. On one kind of CPU the
    same history, config and seed give the same bits, in any number of threads: each row is solved by one, and BLAS runs
    on one. Another kind of CPU has other BLAS kernels, which round differently.
    """
    plays, known = history.learned.plays(), history.learned.listeners > 0
    with _one_blas_thread():
        model = _model(config)
        # As if the others did not exist: where the fit begins depends on how many tracks there are.
        model.fit(plays if known.all() else plays[:, np.flatnonzero(known)], show_progress=False)
    found: Floats = model.item_factors
    if known.all():
        return found
    vectors = np.zeros((len(known), config.factors), np.float32)
    vectors[known] = found
    return vectors


class Als:
    """Score: user vector · track vector of `fit_track_vectors`.

    User vectors are solved (Cholesky, one linear system per user) against plays decayed by exp(-age/decay_days).
    """

    name = "als"

    def __init__(self, history: History, config: AlsConfig, track_vectors: Floats) -> None:
        recent = history.plays(config.decay_days)
        with _one_blas_thread():
            model = _model(config)
            model.item_factors = track_vectors
            self._users = model.recalculate_user(np.arange(recent.shape[0]), recent)
        self._tracks = track_vectors
        self._unknown = np.flatnonzero(history.learned.listeners == 0)

    def scores(self, user_codes: Ints) -> Floats:
        dense: Floats = self._users[user_codes] @ self._tracks.T
        dense[user_codes < 0] = ABSENT
        dense[:, self._unknown] = ABSENT
        return dense


def _model(config: AlsConfig) -> Any:
    from implicit.cpu.als import AlternatingLeastSquares

    return AlternatingLeastSquares(
        factors=config.factors,
        alpha=config.alpha,
        regularization=config.regularization,
        iterations=config.iterations,
        num_threads=thread_count(),
        random_state=config.seed,
    )


def _one_blas_thread() -> threadpool_limits:
    """A BLAS that threads inside implicit's own threads is many times slower, and rounds differently."""
    # Only what is loaded is limited, and implicit loads a BLAS.
    import_module("implicit.cpu.als")
    return threadpool_limits(1, "blas")
