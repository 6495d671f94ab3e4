"""Similarity of ALS vectors: a baseline of evaluations, which nothing that is published is made with."""

import numpy as np

from assets.listens import Floats, Ints


class InFactors:
    """Score of item j for i: cosine of their ALS vectors, times the length of j's to the power of 1 - popularity.

    Only a baseline: the vectors know how often people play something, so one account that plays all day moves them.
    """

    name = "in_factors"

    def __init__(self, vectors: Floats, popularity: float = 0.5) -> None:
        """From track vectors, float32 (tracks, factors), one row per track code.

        popularity: how much an item that is everywhere counts less, from 0 (not at all) to 1.
        """
        length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        self._from = vectors / length
        self._to = (vectors / length**popularity).T.copy()

    def scores(self, codes: Ints) -> Floats:
        cosines: Floats = self._from[codes] @ self._to
        return cosines
