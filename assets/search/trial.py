"""What a search is asked for, and what it tells of each config that it tried."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from assets.metrics.protocol import HEADLINE
from assets.ranker.training import RankerConfig
from assets.slates import HORIZON_DAYS

# On each validation date. With fewer there is no bootstrap to speak of: the largest deviation among its resamples is
# bounded by what so few users can deviate, and intervals are too narrow.
FEWEST_USERS = 30


@dataclass(frozen=True)
class SearchConfig:
    """How to search a slate.

    trials: the default included. dates: validation dates at most; users: of each at most. A trial is measured after
    every `step` trees, up to `most_trees`, and goes no further when the best of a date is `patience` measurements back.
    """

    trials: int = 25
    seed: int = 1
    dates: int = 2
    users: int = 4_000
    most_trees: int = 400
    step: int = 20
    patience: int = 4


@dataclass(frozen=True)
class Measured:
    """What a trial did on one validation date: means over its users, and the default's NDCG@100 there."""

    as_of: date
    users: int
    metrics: dict[str, float]
    default: float


@dataclass(frozen=True)
class Trial:
    """One config that was tried; number 0 is the default. `config.trees` is where it was best.

    by_date: newest first, one alone when it was pruned. users: distinct, of its dates. interval: of its NDCG@100 minus
    the default's, mean over the dates; holds for all trials at once, None where nothing was compared: the default
    itself, what was pruned, and everything when a date has fewer than FEWEST_USERS.
    """

    number: int
    config: RankerConfig
    pruned: bool
    training_dates: list[date]
    by_date: list[Measured]
    users: int
    interval: tuple[float, float] | None
    seconds: float
    chosen: bool = False

    def mean(self, metric: str = HEADLINE) -> float:
        """Mean over the validation dates of the mean over their users."""
        return float(np.mean([measured.metrics[metric] for measured in self.by_date]))

    @property
    def default(self) -> float:
        """NDCG@100 of the default on the same dates."""
        return float(np.mean([measured.default for measured in self.by_date]))

    @property
    def labels_until(self) -> date:
        """The day from which on it read no label."""
        newest = max(*self.training_dates, *(measured.as_of for measured in self.by_date))
        return newest + timedelta(days=HORIZON_DAYS)
