"""The holdouts on which a search measures its trials."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from assets.ranker.chosen_lists import LISTS
from assets.ranker.holdout import Holdout, holdout_of
from assets.ranker.training_set import StoredHoldout
from assets.slates import Slate
from warehouse.lake import Lake

_SEED = 1


@dataclass(frozen=True)
class Validation:
    """A holdout and its date."""

    as_of: date
    holdout: Holdout


def read_validation(lake: Lake, fold: StoredHoldout, slate: Slate, most_users: int) -> Validation | None:
    """A stored holdout: all its users, or so many of them, drawn by date. None when nobody has a candidate."""
    keys = [
        table["user_key"].to_numpy()
        for table in lake.read_parquet(fold.path, made_by="training_set", columns=["user_key"])
    ]
    users = np.unique(np.concatenate(keys)).astype(np.int32)
    if not len(users):
        return None
    if len(users) > most_users:
        draw = np.random.default_rng([_SEED, fold.as_of.toordinal()])
        users = np.sort(draw.choice(users, most_users, replace=False))
    frames = (table.to_pandas() for table in lake.read_parquet(fold.path, made_by="training_set"))
    frame = pd.concat([each[each["user_key"].isin(users)] for each in frames], ignore_index=True)
    return Validation(fold.as_of, holdout_of(frame, LISTS[slate]))
