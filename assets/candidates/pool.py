"""All sources of one `as_of`; those that add to the others are merged into one pool of candidates per user."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

from assets.candidates.history import History
from assets.candidates.registry import POOL_SIZES, SOURCES, Entry
from assets.candidates.source import ABSENT, CandidateSource, best_within, ranks_within, suited, top_k
from assets.catalogue import NOTHING_KNOWN, Catalogue
from assets.listens import Floats, Ints, Listens
from assets.slates import Slate

# Bytes of one source's dense float32 scores; a block per source, and one more per source for a slate, are held at once.
_BLOCK_BYTES = 8 << 20
_NAN = np.float32("nan")

_Source = TypeVar("_Source", bound=CandidateSource)


@dataclass(frozen=True)
class SourcesConfig:
    """How many candidates each source puts into a user's pool, by source; and of sources, what they are fitted with
    instead of their default config.
    """

    sizes: dict[str, int] = field(default_factory=lambda: dict(POOL_SIZES))
    configs: dict[str, Any] = field(default_factory=dict)


class Sources:
    """The sources of one `as_of`, each fitted when it is first asked."""

    def __init__(
        self, history: History, sources: dict[str, Callable[[], CandidateSource]], sizes: dict[str, int]
    ) -> None:
        self.history = history
        self._fit = sources
        self._fitted: dict[str, CandidateSource] = {}
        self._sizes = sizes

    @property
    def pooled(self) -> list[str]:
        """Names of the sources that feed the pool, in column order."""
        return list(self._sizes)

    @property
    def sizes(self) -> dict[str, int]:
        """How many candidates each of those sources puts into a user's pool at most."""
        return dict(self._sizes)

    def fitted(self, kind: type[_Source]) -> _Source:
        """The source of this class, fitted."""
        return cast(_Source, self.source(kind.name))

    def candidates(self, user_keys: Ints, slate: Slate) -> pd.DataFrame:
        """The pool of each user: the union of every source's best, with every source's opinion on each.

        Columns: user_key, track_key (int32), and float32 per pooled source: `score_<source>`; `rank_<source>`, from
        1, within this user's pool; `share_<source>`, the score over the best one in this user's pool. All three are
        NaN where the source does not offer the track. Sorted by (position of the user in `user_keys`, track_key).
        Users unknown before `as_of` get what popular offers.
        Nothing that the slate may not show the user; for `rediscover` that can leave a user without any.
        """
        return self.candidates_by_slate(user_keys, [slate])[slate]

    def candidates_by_slate(self, user_keys: Ints, slates: Sequence[Slate]) -> dict[Slate, pd.DataFrame]:
        """The `candidates` of several slates, for little more than one costs: sources are asked once."""
        pools: dict[Slate, list[pd.DataFrame]] = {slate: [] for slate in slates}
        for block in self._blocks(user_keys):
            codes = self.history.user_codes(block)
            scores = {name: self.source(name).scores(codes) for name in self._sizes}
            for slate in slates:
                left = {name: suited(score, self.history, codes, slate) for name, score in scores.items()}
                pools[slate].append(self._pool(block, left))
        return {slate: pd.concat(blocks, ignore_index=True) for slate, blocks in pools.items()}

    def lists(self, name: str, user_keys: Ints, slate: Slate, k: int) -> pd.DataFrame:
        """The k best tracks of one source alone: user_key, track_key, rank (from 1), score; short where it is."""
        blocks = [self._list(name, block, slate, k) for block in self._blocks(user_keys)]
        return pd.concat(blocks, ignore_index=True)

    def _blocks(self, user_keys: Ints) -> Iterator[Ints]:
        """Runs of users that fit the memory of a block; one empty run when there are no users."""
        users = max(1, _BLOCK_BYTES // (4 * len(self.history.tracks)))
        for start in range(0, max(1, len(user_keys)), users):
            yield user_keys[start : start + users]

    def source(self, name: str) -> CandidateSource:
        """The source of that name, fitted now if nobody asked for it before."""
        if name not in self._fitted:
            self._fitted[name] = self._fit[name]()
        return self._fitted[name]

    def _list(self, name: str, user_keys: Ints, slate: Slate, k: int) -> pd.DataFrame:
        codes = self.history.user_codes(user_keys)
        scores = suited(self.source(name).scores(codes), self.history, codes, slate)
        row, column = top_k(scores, k)
        best = scores[row, column]
        listed = {
            "user_key": user_keys[row].astype(np.int32),
            "track_key": self.history.tracks[column],
            "rank": ranks_within(row, best).astype(np.int32),
            "score": best,
        }
        return pd.DataFrame(listed)

    def _pool(self, user_keys: Ints, scores: dict[str, Floats]) -> pd.DataFrame:
        chosen = np.zeros((len(user_keys), len(self.history.tracks)), dtype=bool)
        for name, size in self._sizes.items():
            chosen[top_k(scores[name], size)] = True
        row, column = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
        pool = {"user_key": user_keys[row].astype(np.int32), "track_key": self.history.tracks[column]}
        for name in self._sizes:
            score = scores[name][row, column]
            offered = score > ABSENT
            opinion = (score, ranks_within(row, score), score / best_within(row, score))
            for column_name, values in zip(opinion_columns([name]), opinion, strict=True):
                pool[column_name] = np.where(offered, values, _NAN)
        return pd.DataFrame(pool)


def opinion_columns(sources: Iterable[str]) -> list[str]:
    """The columns of `Sources.candidates` beside the keys, in their order."""
    return [f"{kind}_{name}" for name in sources for kind in ("score", "rank", "share")]


def fit_sources(listens: Listens, as_of: date, config: SourcesConfig, catalogue: Catalogue = NOTHING_KNOWN) -> Sources:
    """Every source on `listens`, which must all lie before `as_of` (else ValueError).

    Where the catalogue knows nothing, the sources that need artists, tags or countries offer nothing.
    """
    history = History(listens, as_of)

    def fitting(entry: Entry[Any]) -> Callable[[], CandidateSource]:
        own = config.configs.get(entry.name)
        return lambda: entry.fit(history, catalogue, entry.config() if own is None else own)

    return Sources(history, {name: fitting(entry) for name, entry in SOURCES.items()}, config.sizes)
