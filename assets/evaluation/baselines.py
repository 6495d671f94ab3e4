"""The baselines, each a whole system that fills lists of 100, shown beside the ranker in every evaluation."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from assets.candidates.pool import Sources
from assets.candidates.registry import BASELINES, SOURCES
from assets.listens import Ints
from assets.slates import LIST_LENGTH, Slate


def reported(sizes: Collection[str], off: Collection[str] = ()) -> list[str]:
    """The sources that an evaluation reports, in the order of the registry: those in the pool, those that lead a
    baseline, and of those that are off the ones named.
    """
    return [name for name in SOURCES if name in sizes or name in BASELINES.values() or name in off]


def source_lists(sources: Sources, names: Collection[str], slate: Slate, user_keys: Ints) -> dict[str, pd.DataFrame]:
    """What each of these sources puts forward alone: user_key, track_key, rank (from 1), score.

    100 tracks per user, or as many as it puts into the pool if those are more; short where it offers fewer.
    """
    depth = max(LIST_LENGTH, *sources.sizes.values())
    return {name: sources.lists(name, user_keys, slate, depth) for name in names}


def baseline_lists(alone: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Per baseline, from the `source_lists`: user_key, track_key, rank (from 1), score; up to 100 tracks per user,
    popular filling up.

    Nothing that the slate may not show is listed: for `discover`, own_plays and own_recency are popular alone.
    """
    # Selecting rows copies them: as a rule, no list is longer.
    first = {
        name: lists if (within := lists["rank"] <= LIST_LENGTH).all() else lists[within]
        for name, lists in alone.items()
    }
    return {name: _filled(first[source], first["popular"]) for name, source in BASELINES.items()}


def _filled(lead: pd.DataFrame, fill: pd.DataFrame) -> pd.DataFrame:
    """Lists of `lead` continued by those of `fill`; the filled rows score below 0, in their order."""
    below = fill.assign(score=(-fill["rank"]).astype(np.float32), rank=fill["rank"] + LIST_LENGTH)
    both = pd.concat([lead, below], ignore_index=True)
    both = both.sort_values(["user_key", "rank"], kind="stable").drop_duplicates(["user_key", "track_key"])
    both["rank"] = (both.groupby("user_key").cumcount() + 1).astype(np.int32)
    return both[both["rank"] <= LIST_LENGTH].reset_index(drop=True)
