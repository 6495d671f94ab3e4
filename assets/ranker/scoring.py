"""Scores a pool of candidates and cuts it to lists."""

import logging
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.features.join import FeatureMatrix
from assets.listens import Floats, Ints
from assets.ranker.forest.forest import Forest, UnsupportedForestError, read_forest
from assets.ranker.lists import Listing, ListRules
from assets.ranker.training import RankerConfig, RankerModel
from assets.ranker.untrained import Untrained
from assets.slates import LIST_LENGTH
from assets.threads import thread_count
from warehouse.errors import AudoticsError

_LOG = logging.getLogger(__name__)

_SMALLEST = np.finfo(np.float32).tiny


def rank(
    model: RankerModel | Untrained,
    candidates: pd.DataFrame,
    features: FeatureMatrix,
    rules: ListRules,
    k: int = LIST_LENGTH,
) -> pd.DataFrame:
    """The k best candidates of each user that the rules allow: user_key, track_key, rank (from 1), score, source, row.

    `candidates` as from Sources.candidates, `features` joined to its rows. `score` orders the tracks of one user;
    it is not a calibrated probability, since training keeps only some of the negatives, and the rules discount it
    (`list_scores` says what it is before). `source` is the one that ranked the track highest. `row` is the track's
    row in `candidates`. Features that the model does not know are left out; AudoticsError when one that it knows is
    missing.
    """
    user, track = (candidates[name].to_numpy(np.int32) for name in ("user_key", "track_key"))
    listing = rules.listing(user, track)
    if isinstance(model, Untrained):
        row, position, score = listing.best(model.scores(candidates), k)
    else:
        row, position, score = served(listing, model.config, user, predict(model, in_order_of(model, features)), k)
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


def served(
    listing: Listing,
    config: RankerConfig,
    user: npt.NDArray[np.integer],
    predicted: npt.NDArray[np.float64],
    k: int = LIST_LENGTH,
) -> tuple[Ints, Ints, Floats]:
    """From predictions to the lists that users see: the one way, of nights and replays, of gate and search.

    listing: of the rows. config: what the model was trained with. user, predicted: (rows,). Returns what
    `Listing.best` does.
    """
    return listing.best(list_scores(config, user, predicted), k)


def in_order_of(model: RankerModel, features: FeatureMatrix) -> npt.NDArray[np.float32]:
    """The values of the features that the model knows, in its order (rows, len(model.names)).

    Raises:
        AudoticsError: one of them is missing.
    """
    return features.values if features.names == model.names else features.values[:, columns_of(model, features)]


def columns_of(model: RankerModel, features: FeatureMatrix) -> list[int]:
    """Columns of `features` in the order of the model's; AudoticsError when one that it knows is missing."""
    missing = sorted(set(model.names) - set(features.names))
    if missing:
        raise AudoticsError(
            f"the ranker was trained on features that no longer exist ({', '.join(missing)}):"
            " `audotics run --train` trains one on today's"
        )
    return [features.names.index(name) for name in model.names]


def predict(model: RankerModel, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The model's score per row of values, float32 (rows, len(model.names)); NaN is unknown. Float64 (rows,).

    A probability, or what a ranking objective gives: any number, comparable for one user.
    By the compiled forest; where it cannot express the model, by LightGBM, which says the same several times slower.
    """
    forest = forest_of(model.text)
    if forest is None:
        return np.asarray(model.booster.predict(values, num_threads=thread_count()))
    return forest.predict(values, thread_count())


def list_scores(
    config: RankerConfig, user: npt.NDArray[np.integer], predicted: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Predictions (rows,) of a model trained with `config` as scores of lists: positive, float32 (rows,).

    Probabilities as they are. Of a ranking objective, exp(predicted - the largest of the user): how likely a candidate
    is beside the user's best one, which has 1, if the predictions are log odds of a choice among the user's candidates.
    So a factor of a discount is a step down in the predictions, the same everywhere, and candidates are told apart down
    to differences of 1e-7 wherever the best one lies, until 87 below it. Other users in the batch make no difference.
    """
    if config.probabilities:
        return predicted.astype(np.float32)
    users, position = np.unique(user, return_inverse=True)
    largest = np.full(len(users), -np.inf)
    np.maximum.at(largest, position, predicted)
    beside_the_best: Floats = np.maximum(np.exp(predicted - largest[position]), _SMALLEST).astype(np.float32)
    return beside_the_best


@lru_cache(maxsize=8)
def forest_of(text: str) -> Forest | None:
    """The compiled forest of a model text; None, and a warning once, where it cannot express the model."""
    try:
        return read_forest(text)
    except UnsupportedForestError as reason:
        _LOG.warning("a ranker is scored by LightGBM itself, several times slower than compiled: %s", reason)
        return None
