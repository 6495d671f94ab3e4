"""Scores a pool of candidates and cuts it to lists."""

import numpy as np
import pandas as pd

from assets.candidates.source import ranks_within
from assets.ranker.features import FeatureMatrix
from assets.ranker.slates import LIST_LENGTH
from assets.ranker.training import RankerModel
from warehouse.errors import AudoticsError


def rank(model: RankerModel, candidates: pd.DataFrame, features: FeatureMatrix, k: int = LIST_LENGTH) -> pd.DataFrame:
    """The k best candidates of each user: user_key, track_key, rank (from 1), score, source, row.

    `candidates` as from Sources.candidates, `features` joined to its rows. `score` orders the tracks of one user; it is
    no calibrated probability, since training keeps only some of the negatives. `source` is the one that ranked the
    track highest. `row` is the track's row in `candidates`. Features that the model does not know are left out;
    AudoticsError when one that it knows is missing.
    """
    values = features.values[:, columns_of(model, features)]
    user = candidates["user_key"].to_numpy(np.int32)
    score = np.asarray(model.booster.predict(values, num_threads=model.config.threads), dtype=np.float32)
    position = ranks_within(user, score)
    rank_columns = [name for name in candidates.columns if name.startswith("rank_")]
    source_ranks = candidates[rank_columns].to_numpy(np.float32, na_value=np.inf)
    source_ranks[np.isnan(source_ranks)] = np.inf
    sources = np.array([name.removeprefix("rank_") for name in rank_columns])
    listed = pd.DataFrame(
        {
            "user_key": user,
            "track_key": candidates["track_key"].to_numpy(np.int32),
            "rank": position.astype(np.int32),
            "score": score,
            "source": sources[source_ranks.argmin(axis=1)],
            "row": np.arange(len(user)),
        }
    )
    listed = listed[listed["rank"] <= k]
    return listed.sort_values(["user_key", "rank"], ignore_index=True)


def columns_of(model: RankerModel, features: FeatureMatrix) -> list[int]:
    """Columns of `features` in the order of the model's; AudoticsError when one that it knows is missing."""
    missing = sorted(set(model.names) - set(features.names))
    if missing:
        raise AudoticsError(
            f"the ranker was trained on features that there are no more ({', '.join(missing)}):"
            " materialise the `training` job to train one on today's"
        )
    return [features.names.index(name) for name in model.names]
