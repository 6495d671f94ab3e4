"""Alternating least squares (`implicit`), users folded in from what they played lately."""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from assets.candidates.history import History
from assets.candidates.source import ABSENT
from assets.listens import Floats, Ints


@dataclass(frozen=True)
class AlsConfig:
    factors: int = 128
    alpha: float = 40.0
    regularization: float = 100.0
    iterations: int = 15
    decay_days: float = 90.0
    threads: int = 2
    seed: int = 1


class Als:
    """Score: user vector · track vector of the implicit-feedback factorisation of Hu, Koren and Volinsky (2008).

    Track vectors come from all listens before `as_of`; user vectors are then solved anew (Cholesky, one linear
    system per user) against plays decayed by exp(-age/decay_days). On one kind of CPU the same history, config and
    seed give the same bits, whatever `threads` is: each row is solved by one thread, and BLAS runs on one. Another
    kind of CPU has other BLAS kernels, which round differently.
    """

    name = "als"

    def __init__(self, history: History, config: AlsConfig) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        plays = history.plays()
        # A BLAS that threads inside implicit's own threads is many times slower, and rounds differently.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=config.factors,
                alpha=config.alpha,
                regularization=config.regularization,
                iterations=config.iterations,
                num_threads=config.threads,
                random_state=config.seed,
            )
            model.fit(plays, show_progress=False)
            recent = history.plays(config.decay_days)
            self._users = model.recalculate_user(np.arange(recent.shape[0]), recent)
        self._tracks: Floats = model.item_factors

    @property
    def track_vectors(self) -> Floats:
        """Float32 (tracks, factors), one row per track code."""
        return self._tracks

    def scores(self, user_codes: Ints) -> Floats:
        dense = self._users[user_codes] @ self._tracks.T
        dense[user_codes < 0] = ABSENT
        return dense
