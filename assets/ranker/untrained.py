"""What orders the lists of a slate while no ranker serves it: one candidate source, as in a baseline of evaluations."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from assets.candidates.registry import BASELINES
from assets.candidates.source import ranks_within
from assets.listens import Floats
from assets.slates import Slate

_PREFIX = "untrained/"
# Longer than any pool.
_BELOW = 1_000_000


@dataclass(frozen=True)
class Untrained:
    """The order of a baseline (registry.BASELINES): its source first, then popular, then what others put forward."""

    baseline: str

    @property
    def version(self) -> str:
        """Stands where the version of a model does; the read API knows it by its beginning (serving_api.contract)."""
        return f"{_PREFIX}{self.baseline}"

    @classmethod
    def of_version(cls, version: str) -> "Untrained | None":
        """The order of this version; None where it is that of a model."""
        baseline = version.removeprefix(_PREFIX)
        return cls(baseline) if version.startswith(_PREFIX) and baseline in BASELINES else None

    def scores(self, candidates: pd.DataFrame) -> Floats:
        """1 over the place of each candidate among those of its user: float32 (rows,).

        `candidates` as from Sources.candidates. Equals come in the order of the rows.
        """
        lead, fill = (_ranks(candidates, BASELINES[baseline]) for baseline in (self.baseline, "popular"))
        order = np.minimum(np.minimum(lead, _BELOW + fill), 2 * _BELOW)
        places = ranks_within(candidates["user_key"].to_numpy(np.int32), -order)
        return (1.0 / places).astype(np.float32)


# The best baselines whose source is in the pool. Who listens again is served by what they play; who looks for
# something new, by what is heard in the same sessions.
UNTRAINED = {
    Slate.FOR_YOU: Untrained("own_plays"),
    Slate.DISCOVER: Untrained("session_cooccurrence"),
    Slate.REDISCOVER: Untrained("own_plays"),
}


def _ranks(candidates: pd.DataFrame, source: str) -> Floats:
    """The rank of each candidate by a source, infinite where it does not offer the track."""
    rank = candidates[f"rank_{source}"].to_numpy(np.float32)
    return np.where(np.isnan(rank), np.float32(np.inf), rank)
