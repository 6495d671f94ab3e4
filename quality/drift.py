"""How far a distribution has moved from what it was: population stability index and Jensen-Shannon distance.

Both are of two histograms over the same bins, and counted as Evidently counts them (0.7,
`evidently/legacy/calculations/stattests`): of the values that are there and finite.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Of a bin without values in one of the two, whose logarithm would be infinite; Evidently's numbers.
_EMPTY = 1e-4
_OF_SMALLEST = 1e-6
# What is usually called a large shift, and as a Jensen-Shannon distance d: PSI is 8 d^2 where both are small.
LEAST_PSI = 0.25
# By chance alone, PSI of k bins and n and m rows is chi squared with k - 1 degrees of freedom, times 1 / n + 1 / m; of
# ten bins, so many standard deviations above its mean are passed once in 2,000 nights, were all rows others.
_CHANCE_DEVIATIONS = 5.0


@dataclass(frozen=True)
class Spread:
    """How the values of a column lie as of a date.

    bins: int64[k], finite values by bin, of all or of a sample. values: how many are finite. lowest, highest, mean: of
    those, None where there are none.
    """

    bins: Counts
    values: int
    nulls: int = 0
    not_finite: int = 0
    lowest: float | None = None
    highest: float | None = None
    mean: float | None = None

    @property
    def rows(self) -> int:
        return self.values + self.nulls + self.not_finite

    @property
    def null_share(self) -> float:
        return self.nulls / self.rows if self.rows else 0.0

    @property
    def constant(self) -> bool:
        """Whether there are values, and all of them are one."""
        return self.lowest is not None and self.lowest == self.highest


def stability_index(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The population stability index of two histograms, counts or shares float64[k]: sum of (p - q) ln(p / q).

    NaN where one of them is empty.
    """
    shares = [_filled(_shares(each)) for each in (reference, current)]
    return float(np.sum((shares[0] - shares[1]) * np.log(shares[0] / shares[1])))


def jensen_shannon(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The Jensen-Shannon distance of two histograms, as `stability_index`, in [0, sqrt(ln 2)].

    The root of the mean of both Kullback-Leibler divergences from the middle of the two, in nats.
    """
    p, q = _shares(reference), _shares(current)
    middle = (p + q) / 2
    return float(np.sqrt(max(0.0, (_divergence(p, middle) + _divergence(q, middle)) / 2)))


def least_psi(bins: int, rows: int, reference_rows: int) -> float:
    """What PSI may be from the first night on: a large shift, or where rows are few what chance alone may bring."""
    degrees = max(bins - 1, 1)
    chance = (degrees + _CHANCE_DEVIATIONS * np.sqrt(2 * degrees)) * (1 / max(rows, 1) + 1 / max(reference_rows, 1))
    return max(LEAST_PSI, float(chance))


def distance_of_psi(psi: float) -> float:
    """The Jensen-Shannon distance that goes with a small PSI."""
    return float(np.sqrt(psi / 8))


def _shares(counts: npt.ArrayLike) -> Floats:
    values = np.asarray(counts, np.float64)
    total = values.sum()
    return values / total if total else np.full(len(values), np.nan)


def _filled(shares: Floats) -> Floats:
    """Shares with something in the place of 0."""
    if not (shares == 0).any():
        return shares
    smallest = shares[shares > 0].min()
    return np.where(shares == 0, smallest * _OF_SMALLEST if smallest <= _EMPTY else _EMPTY, shares)


def _divergence(shares: Floats, middle: Floats) -> float:
    there = ~(shares == 0)
    return float(np.sum(shares[there] * np.log(shares[there] / middle[there])))
