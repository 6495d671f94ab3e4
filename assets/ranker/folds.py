"""Makes the rows of a training fold. The code that its files are named after is this module and what it imports."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date, timedelta
from functools import cached_property

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.candidates.registry import needed_facts
from assets.catalogue import read_catalogue
from assets.features.marts import feature_reader
from assets.listens import Listens
from assets.metrics.protocol import relevant_tracks
from assets.ranker.dataset import Fold, FoldBuilder, labelled_pools
from assets.ranker.holdout import holdout_rows, holdout_users
from assets.ranker.lists import ListRules, read_catalogue_rules
from assets.slates import HORIZON_DAYS, Slate


class FoldMaker:
    """The labelled rows of one date, slate by slate.

    Args:
        everything: listens of all users, HORIZON_DAYS from the date on included.
        negatives, seed: as FoldBuilder has them.
    """

    def __init__(
        self,
        connection: dbapi.Connection,
        everything: Listens,
        as_of: date,
        sources: SourcesConfig,
        negatives: float,
        seed: int,
    ) -> None:
        self.as_of = as_of
        self._connection = connection
        self._before = everything.before(as_of)
        self._horizon = everything.between(as_of, as_of + timedelta(days=HORIZON_DAYS))
        self._relevant = {slate: relevant_tracks(self._before, self._horizon, as_of, slate) for slate in Slate}
        self._sources = sources
        self._negatives = negatives
        self._seed = seed

    @property
    def slates(self) -> list[Slate]:
        """Those in which somebody had a relevant track."""
        return [slate for slate in Slate if len(self._relevant[slate]) and len(self._before)]

    def fingerprint(self, features_version: str, code: str) -> str:
        """Digest of what the fold is made from: listens, settings, features (features.version) and this code."""
        settings = [asdict(self._sources), self._negatives, self._seed, features_version, code]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for listens in (self._before, self._horizon):
            for column in (listens.user_key, listens.track_key, listens.listened_at):
                digest.update(column.tobytes())
        return digest.hexdigest()[:12]

    def fold(self, slate: Slate, write_whole: Callable[[Iterator[pa.Table]], object] | None = None) -> Fold:
        """The training rows of a slate. On the way, `write_whole` is given all candidates (holdout.holdout_rows)."""
        relevant = self._relevant[slate]
        builder = FoldBuilder(self.as_of, self._negatives, self._seed)
        users = holdout_users(relevant, self.as_of)

        def passed_on() -> Iterator[pa.Table]:
            features_of = feature_reader(self._connection, self.as_of)
            for pool in labelled_pools(slate, self._fitted, relevant, features_of):
                builder.add(pool)
                if write_whole is not None:
                    rules = self._rules.of_slate(slate, pool.features.user_track)
                    yield holdout_rows(pool, users, relevant, rules)

        if write_whole is None:
            list(passed_on())
        else:
            write_whole(passed_on())
        return builder.fold()

    @cached_property
    def _rules(self) -> ListRules:
        return read_catalogue_rules(self._connection)

    @cached_property
    def _fitted(self) -> Sources:
        catalogue = read_catalogue(self._connection, needed_facts(self._sources.sizes))
        return fit_sources(self._before, self.as_of, self._sources, catalogue)
