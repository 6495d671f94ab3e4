"""What explains a ranked list: an anchor of each track, and the features that moved the first ones most."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from assets.candidates.anchors import ANCHOR_COLUMNS, NO_ANCHOR, STRENGTH_COLUMNS
from assets.features.join import FeatureMatrix
from assets.listens import Floats, Ints
from assets.ranker.lists import ListRules
from assets.ranker.scoring import columns_of, forest_of
from assets.ranker.training import RankerModel
from assets.ranker.untrained import Untrained
from assets.threads import thread_count
from warehouse.errors import AudoticsError

# What a row costs here is many times its score, and its text is stored: only what is seen first is explained.
EXPLAINED = 10
STRONGEST = 3
# An anchor counts for that much less each time that the list has named it already, and is left for another one of at
# least that share of its strength. Chosen from the curve in docs/adr/0011.
REPEATED = 0.7
WEAKEST = 0.5


def with_reasons(
    model: RankerModel | Untrained,
    lists: pd.DataFrame,
    candidates: pd.DataFrame,
    features: FeatureMatrix,
    rules: ListRules,
) -> pd.DataFrame:
    """`lists`, as from scoring.rank of the same candidates and features, with two columns more.

    anchor_track_key: one of the candidate's anchors that the user has not blocked (`chosen_anchors`), NO_ANCHOR
    where there is none. contributions: JSON text, `[{"feature", "contribution"}, …]`, the strongest first
    (`strongest`), of the first EXPLAINED of each list; None further down, and of lists that no ranker ordered.

    Raises:
        AudoticsError: the candidates lack columns of anchors.
    """
    if not {*ANCHOR_COLUMNS, *STRENGTH_COLUMNS} <= {*candidates}:
        raise AudoticsError(
            "the candidates lack columns of anchors, which `candidates` adds:"
            " materialise `candidates` of this date again"
        )
    rows = lists["row"].to_numpy()
    explained = np.flatnonzero(lists["rank"].to_numpy() <= EXPLAINED)
    texts = np.full(len(lists), None, dtype=object)
    if len(explained) and isinstance(model, RankerModel):
        values = features.values[rows[explained]][:, columns_of(model, features)]
        texts[explained] = strongest(model.names, contributions(model, values)[:, :-1])
    user = lists["user_key"].to_numpy(np.int32)
    anchors = candidates[list(ANCHOR_COLUMNS)].to_numpy(np.int32)[rows]
    strengths = candidates[list(STRENGTH_COLUMNS)].to_numpy(np.float32)[rows]
    strengths[rules.blocked(np.repeat(user, anchors.shape[1]), anchors.ravel()).reshape(anchors.shape)] = 0
    return lists.assign(
        anchor_track_key=chosen_anchors(user, anchors, strengths),
        contributions=pd.Series(texts, index=lists.index, dtype=object),
    )


def chosen_anchors(
    user: Ints, anchors: npt.NDArray[np.int32], strengths: Floats, repeated: float = REPEATED, weakest: float = WEAKEST
) -> npt.NDArray[np.int32]:
    """One anchor of each listed track, so that a list names several: int32 (rows,), NO_ANCHOR where it has none.

    user (rows,): rows of a user together, by rank. anchors (int32), strengths (rows, anchors of a track): a strength of
    0 says that there is no anchor. Down the list, each track takes the anchor with the largest strength times
    repeated ** n, n being how often the list has named it already, but none below weakest times its strongest one.
    """
    from assets.recommendations.reasons_kernel import varied

    chosen = np.full(len(user), NO_ANCHOR, np.int32)
    first = np.flatnonzero(np.r_[True, user[1:] != user[:-1], True]) if len(user) else np.zeros(1, np.int64)
    varied(first, anchors, strengths, repeated, weakest, chosen)
    return chosen


def contributions(model: RankerModel, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """SHAP values of each row of `values` (rows, features of the model), and last the model's expected value.

    A row sums to its raw score, in log odds, or on the own scale of a ranking objective: Lundberg et al., "From local
    explanations to global understanding with explainable AI for trees" (Nature Machine Intelligence, 2020). By the
    compiled forest; where it cannot express the model, by LightGBM, which says the same many times slower.
    """
    forest = forest_of(model.text)
    if forest is not None:
        return forest.contributions(values, thread_count())
    predicted = model.booster.predict(values, pred_contrib=True, num_threads=thread_count())
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
