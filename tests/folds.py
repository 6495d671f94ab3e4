"""A whole fold at once, for worlds that are small."""

from collections.abc import Callable
from datetime import date

import pandas as pd

from assets.candidates.pool import Sources
from assets.features.join import FeatureFrames
from assets.listens import Ints
from assets.ranker.dataset import Fold, FoldBuilder, labelled_pools
from assets.slates import Slate


def labelled_fold(
    as_of: date,
    slate: Slate,
    sources: Sources,
    relevant: pd.DataFrame,
    features_of: Callable[[Ints], FeatureFrames],
    negatives: float,
    seed: int,
    batch: int = 2000,
) -> Fold:
    """The training rows of all `labelled_pools` together; ValueError when nobody has a relevant track."""
    builder = FoldBuilder(as_of, negatives, seed)
    for pool in labelled_pools(slate, sources, relevant, features_of, batch):
        builder.add(pool)
    return builder.fold()
