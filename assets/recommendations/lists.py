"""From candidates to lists: the one flow behind the night, replays and benchmarks."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date

import numpy as np
import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.features.join import FeatureFrames, join_features
from assets.features.marts import feature_reader
from assets.listens import Ints
from assets.ranker.chosen_lists import LISTS
from assets.ranker.lists import ListRules, read_list_rules
from assets.ranker.registry import Ordering
from assets.ranker.scoring import rank
from assets.recommendations.reasons import with_reasons
from assets.slates import Slate


class ListMaker:
    """Makes the lists of a date: joins features to candidates, scores, applies the rules of lists, adds reasons."""

    def __init__(
        self, features_of: Callable[[Ints], FeatureFrames], rules: ListRules, models: Mapping[Slate, Ordering]
    ) -> None:
        self._features_of = features_of
        self._rules = rules
        self._models = models

    @classmethod
    def of_date(cls, connection: dbapi.Connection, as_of: date, models: Mapping[Slate, Ordering]) -> "ListMaker":
        """With the features as of a date, and the titles and blocks of now.

        Raises:
            AudoticsError: there are no features as of the date.
        """
        return cls(feature_reader(connection, as_of), read_list_rules(connection), models)

    def lists(
        self, candidates: Mapping[Slate, pd.DataFrame], reasons: bool = True
    ) -> Iterator[tuple[Slate, pd.DataFrame]]:
        """The lists of each slate from the candidates (Sources.candidates_by_slate) of one batch of users.

        Columns: user_key, track_key, rank (from 1), score, source; with reasons also those of `with_reasons`.
        """
        users = [of_slate["user_key"].to_numpy(np.int32) for of_slate in candidates.values()]
        # The same users in every slate, so their features are read once.
        features = self._features_of(np.unique(np.concatenate(users)))
        for slate, of_slate in candidates.items():
            model = self._models[slate].model
            matrix = join_features(of_slate, features)
            rules = self._rules.of_slate(slate, features.user_track).spread(LISTS[slate])
            lists = rank(model, of_slate, matrix, rules)
            yield slate, with_reasons(model, lists, of_slate, matrix, self._rules) if reasons else lists
