"""The baselines, each a whole system that fills lists of 100, shown beside the ranker in every evaluation."""

import numpy as np
import pandas as pd

from assets.candidates.history import Ints
from assets.candidates.pool import Sources
from assets.ranker.slates import LIST_LENGTH, Slate

# Baseline name -> the source that leads its lists; popular fills what the source leaves short.
BASELINES = {
    "popular": "popular",
    "own_plays": "own_tracks",
    "own_recency": "own_recency",
    "als": "als",
    "session_cooccurrence": "session_cooccurrence",
    "item_neighbours": "item_neighbours",
    "user_neighbours": "user_neighbours",
    "ease": "ease",
}


def baseline_lists(sources: Sources, slate: Slate, user_keys: Ints) -> dict[str, pd.DataFrame]:
    """Per baseline: user_key, track_key, rank (from 1), score; up to 100 tracks per user, popular filling up.

    Nothing that the slate may not show is listed: for `discover`, own_plays and own_recency are popular alone.
    """
    fill = sources.lists("popular", user_keys, slate, LIST_LENGTH)
    return {
        name: _filled(sources.lists(source, user_keys, slate, LIST_LENGTH), fill) for name, source in BASELINES.items()
    }


def _filled(lead: pd.DataFrame, fill: pd.DataFrame) -> pd.DataFrame:
    """Lists of `lead` continued by those of `fill`; the filled rows score below 0, in their order."""
    below = fill.assign(score=(-fill["rank"]).astype(np.float32), rank=fill["rank"] + LIST_LENGTH)
    both = pd.concat([lead, below], ignore_index=True)
    both = both.sort_values(["user_key", "rank"], kind="stable").drop_duplicates(["user_key", "track_key"])
    both["rank"] = (both.groupby("user_key").cumcount() + 1).astype(np.int32)
    return both[both["rank"] <= LIST_LENGTH].reset_index(drop=True)
