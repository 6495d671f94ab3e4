"""Scores a pool of candidates and cuts it to lists."""

import logging
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from assets.ranker.features import FeatureMatrix
from assets.ranker.forest import Forest, UnsupportedForestError, read_forest
from assets.ranker.lists import ListRules
from assets.ranker.slates import LIST_LENGTH
from assets.ranker.training import RankerModel
from warehouse.errors import AudoticsError

_LOG = logging.getLogger(__name__)


def rank(
    model: RankerModel, candidates: pd.DataFrame, features: FeatureMatrix, rules: ListRules, k: int = LIST_LENGTH
) -> pd.DataFrame:
    """The k best candidates of each user that the rules allow: user_key, track_key, rank (from 1), score, source, row.

    `candidates` as from Sources.candidates, `features` joined to its rows. `score` orders the tracks of one user; it is
    no calibrated probability, since training keeps only some of the negatives, and the rules discount it. `source` is
    the one that ranked the track highest. `row` is the track's row in `candidates`. Features that the model does not
    know are left out; AudoticsError when one that it knows is missing.
    """
    values = features.values
    if features.names != model.names:
        values = values[:, columns_of(model, features)]
    user, track = (candidates[name].to_numpy(np.int32) for name in ("user_key", "track_key"))
    score = predict(model, values).astype(np.float32)
    row, position, score = rules.ranked(user, track, score, k)
    rank_columns = [name for name in candidates.columns if name.startswith("rank_")]
    source_ranks = candidates[rank_columns].to_numpy(np.float32, na_value=np.inf)[row]
    source_ranks[np.isnan(source_ranks)] = np.inf
    sources = np.array([name.removeprefix("rank_") for name in rank_columns])
    return pd.DataFrame(
        {
            "user_key": user[row],
            "track_key": track[row],
            "rank": position.astype(np.int32),
            "score": score,
            "source": sources[source_ranks.argmin(axis=1)],
            "row": row,
        }
    )


def columns_of(model: RankerModel, features: FeatureMatrix) -> list[int]:
    """Columns of `features` in the order of the model's; AudoticsError when one that it knows is missing."""
    missing = sorted(set(model.names) - set(features.names))
    if missing:
        raise AudoticsError(
            f"the ranker was trained on features that there are no more ({', '.join(missing)}):"
            " materialise the `training` job to train one on today's"
        )
    return [features.names.index(name) for name in model.names]


def predict(model: RankerModel, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The model's score per row of values, float32 (rows, len(model.names)); NaN is unknown. Float64 (rows,), positive.

    By the compiled forest; where it cannot express the model, by LightGBM, which says the same several times slower.
    What a ranking objective gives may be negative: its logistic keeps the order and can be discounted by a factor.
    """
    forest = forest_of(model.text)
    if forest is None:
        predicted = np.asarray(model.booster.predict(values, num_threads=model.config.threads))
    else:
        predicted = forest.predict(values, model.config.threads)
    return predicted if model.config.probabilities else np.asarray(expit(predicted))


@lru_cache(maxsize=8)
def forest_of(text: str) -> Forest | None:
    """The compiled forest of a model text; None, and a warning once, where it cannot express the model."""
    try:
        return read_forest(text)
    except UnsupportedForestError as reason:
        _LOG.warning("a ranker is scored by LightGBM itself, several times slower than compiled: %s", reason)
        return None
