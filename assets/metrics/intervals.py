"""Means per user with their bootstrap intervals."""

from typing import Any

import numpy as np
import numpy.typing as npt

# Values that are drawn at a time.
_BOOTSTRAP_CELLS = 4_000_000


def paired_difference(
    mine: npt.NDArray[np.float64], other: npt.NDArray[np.float64], against: str, metric: str, seed: int
) -> dict[str, object]:
    """The mean of `mine` minus `other`, per user and not empty, with its 95 % interval."""
    difference = mine - other
    interval = list(bootstrap_interval(difference, seed=seed))
    return {"against": against, "metric": metric, "delta": float(difference.mean()), "ci95": interval}


def mean_with_interval(values: npt.NDArray[np.float64], seed: int) -> dict[str, Any]:
    """{"mean", "ci95"} of values per user, not empty."""
    return {"mean": float(values.mean()), "ci95": list(bootstrap_interval(values, seed=seed))}


def bootstrap_interval(values: npt.NDArray[np.float64], seed: int, resamples: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of the mean of `values` under resampling with replacement."""
    generator = np.random.default_rng(seed)
    at_once = max(1, _BOOTSTRAP_CELLS // len(values))
    means = np.concatenate(
        [
            values[generator.integers(0, len(values), (min(at_once, resamples - done), len(values)))].mean(axis=1)
            for done in range(0, resamples, at_once)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
