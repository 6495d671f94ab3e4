"""What explains a ranked list: the seed of each track, and the features that moved the first ones most."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from assets.candidates.seeds import NO_SEED
from assets.ranker.features import FeatureMatrix
from assets.ranker.lists import ListRules
from assets.ranker.scoring import columns_of, forest_of
from assets.ranker.training import RankerModel
from warehouse.errors import AudoticsError

# What a row costs here is many times its score, and its text is stored: only what is seen first is explained.
EXPLAINED = 10
STRONGEST = 3


def with_reasons(
    model: RankerModel, lists: pd.DataFrame, candidates: pd.DataFrame, features: FeatureMatrix, rules: ListRules
) -> pd.DataFrame:
    """`lists`, as from scoring.rank of the same candidates and features, with two columns more.

    seed_track_key: that of the candidates, NO_SEED where the user has blocked it. contributions: JSON text,
    `[{"feature", "contribution"}, …]`, the strongest first (`strongest`), of the first EXPLAINED of each list; None
    further down.

    Raises:
        AudoticsError: the candidates have no seeds.
    """
    if "seed_track_key" not in candidates:
        raise AudoticsError(
            "the candidates carry no seeds, an older version made them: materialise `candidates` of this date again"
        )
    rows = lists["row"].to_numpy()
    explained = np.flatnonzero(lists["rank"].to_numpy() <= EXPLAINED)
    texts = np.full(len(lists), None, dtype=object)
    if len(explained):
        values = features.values[rows[explained]][:, columns_of(model, features)]
        texts[explained] = strongest(model.names, contributions(model, values)[:, :-1])
    seeds = candidates["seed_track_key"].to_numpy(np.int32)[rows]
    blocked = rules.blocked(lists["user_key"].to_numpy(np.int32), seeds)
    return lists.assign(
        seed_track_key=np.where(blocked, NO_SEED, seeds).astype(np.int32),
        contributions=pd.Series(texts, index=lists.index, dtype=object),
    )


def contributions(model: RankerModel, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """SHAP values of each row of `values` (rows, features of the model), and last the model's expected value.

    A row sums to its raw score, in log odds, or on the own scale of a ranking objective: Lundberg et al., "From local
    explanations to global understanding with explainable AI for trees" (Nature Machine Intelligence, 2020). By the
    compiled forest; where it cannot express the model, by LightGBM, which says the same many times slower.
    """
    forest = forest_of(model.text)
    if forest is not None:
        return forest.contributions(values, model.config.threads)
    predicted = model.booster.predict(values, pred_contrib=True, num_threads=model.config.threads)
    return np.asarray(predicted, dtype=np.float64)


def strongest(names: Sequence[str], values: npt.NDArray[np.float64]) -> list[str]:
    """JSON of the STRONGEST features of each row of `values` (rows, features), by size, equals in the order of names.

    Features that contribute nothing are left out.
    """
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :STRONGEST]
    sizes = np.take_along_axis(values, order, axis=1).round(4).tolist()
    return [
        orjson.dumps(
            [
                {"feature": names[column], "contribution": size}
                for column, size in zip(columns, of_row, strict=True)
                if size
            ]
        ).decode()
        for columns, of_row in zip(order.tolist(), sizes, strict=True)
    ]
