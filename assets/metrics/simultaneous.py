"""Intervals for many comparisons with one default at once."""

import numpy as np
import numpy.typing as npt

_CELLS = 4_000_000

Floats64 = npt.NDArray[np.float64]


def simultaneous_intervals(differences: Floats64, seed: int, level: float = 0.95, resamples: int = 2000) -> Floats64:
    """Intervals (candidates, 2) of the mean of each row of `differences` (candidates, users).

    All of them hold at once with probability `level`: the best of many candidates that are no better than the default
    seems better no more often than a single one would. Bootstrap over users of the largest studentised deviation:
    White, "A reality check for data snooping" (Econometrica, 2000); Romano and Wolf, "Stepwise multiple testing as
    formalized data snooping" (Econometrica, 2005). Fewer than two users say nothing: from -inf to inf.
    """
    users = differences.shape[1]
    if users < 2:
        return np.tile([-np.inf, np.inf], (len(differences), 1))
    mean = differences.mean(axis=1)
    deviation = differences - mean[:, None]
    error = np.sqrt((deviation**2).mean(axis=1) / users)
    # What does not differ from the default at all has an interval without width.
    varied = error > 0
    if not varied.any():
        return np.stack([mean, mean], axis=1)
    generator = np.random.default_rng(seed)
    scaled = (deviation[varied] / (users * error[varied, None])).T
    at_once = max(1, _CELLS // users)
    largest = np.concatenate(
        [
            np.abs(_weights(generator, min(at_once, resamples - done), users) @ scaled).max(axis=1)
            for done in range(0, resamples, at_once)
        ]
    )
    width = np.quantile(largest, level) * error
    return np.stack([mean - width, mean + width], axis=1)


def _weights(generator: np.random.Generator, samples: int, users: int) -> Floats64:
    """How often each user is drawn (samples, users) when as many are drawn with replacement as there are."""
    drawn = generator.integers(0, users, (samples, users)) + users * np.arange(samples)[:, None]
    return np.bincount(drawn.ravel(), minlength=samples * users).reshape(samples, users).astype(np.float64)
