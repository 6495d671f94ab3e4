"""All sources of one `as_of`; those that add to the others are merged into one pool of candidates per user."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar, cast

import numpy as np
import pandas as pd

from assets.candidates.als import Als, AlsConfig, fit_track_vectors
from assets.candidates.artist_tracks import ArtistTracksConfig, LovedArtists, SimilarArtists
from assets.candidates.country_popular import CountryPopular, CountryPopularConfig
from assets.candidates.ease import Ease, EaseConfig
from assets.candidates.history import History
from assets.candidates.item_neighbours import ItemNeighbours, ItemNeighboursConfig
from assets.candidates.liked_tags import LikedTags, LikedTagsConfig
from assets.candidates.own_tracks import OwnRecency, OwnTracks, OwnTracksConfig
from assets.candidates.popular import Popular, PopularConfig
from assets.candidates.session_cooccurrence import SessionCooccurrence, SessionCooccurrenceConfig
from assets.candidates.source import ABSENT, CandidateSource, best_within, ranks_within, suited, top_k
from assets.candidates.transitions import Transitions, TransitionsConfig
from assets.candidates.trending import Trending, TrendingConfig
from assets.candidates.user_neighbours import UserNeighbours, UserNeighboursConfig
from assets.catalogue import NOTHING_KNOWN, Catalogue
from assets.listens import Floats, Ints, Listens
from assets.slates import Slate

# Bytes of one source's dense float32 scores; a block per source, and one more per source for a slate, are held at once.
_BLOCK_BYTES = 8 << 20
_NAN = np.float32("nan")

# What each source that is fitted on more than listens needs of the catalogue.
NEEDED_BY = {
    "loved_artists": "artists",
    "similar_artists": "artists",
    "liked_tags": "tags",
    "country_popular": "countries",
}

_Source = TypeVar("_Source", bound=CandidateSource)


@dataclass(frozen=True)
class SourcesConfig:
    """One config per source, and how many candidates each puts into a user's pool."""

    own_tracks: OwnTracksConfig = field(default_factory=OwnTracksConfig)
    session_cooccurrence: SessionCooccurrenceConfig = field(default_factory=SessionCooccurrenceConfig)
    als: AlsConfig = field(default_factory=AlsConfig)
    item_neighbours: ItemNeighboursConfig = field(default_factory=ItemNeighboursConfig)
    user_neighbours: UserNeighboursConfig = field(default_factory=UserNeighboursConfig)
    ease: EaseConfig = field(default_factory=EaseConfig)
    transitions: TransitionsConfig = field(default_factory=TransitionsConfig)
    artist_tracks: ArtistTracksConfig = field(default_factory=ArtistTracksConfig)
    liked_tags: LikedTagsConfig = field(default_factory=LikedTagsConfig)
    trending: TrendingConfig = field(default_factory=TrendingConfig)
    country_popular: CountryPopularConfig = field(default_factory=CountryPopularConfig)
    popular: PopularConfig = field(default_factory=PopularConfig)
    sizes: dict[str, int] = field(
        default_factory=lambda: {
            "own_tracks": 100,
            "session_cooccurrence": 100,
            "als": 100,
            "loved_artists": 100,
            "popular": 50,
        }
    )


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

    @property
    def names(self) -> list[str]:
        """Names of all sources, those outside the pool included."""
        return list(self._fit)

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


def needed_facts(sources: Iterable[str]) -> set[str]:
    """What `read_catalogue` is to read for the sources of these names."""
    return {NEEDED_BY[name] for name in sources if name in NEEDED_BY}


def fit_sources(listens: Listens, as_of: date, config: SourcesConfig, catalogue: Catalogue = NOTHING_KNOWN) -> Sources:
    """Every source on `listens`, which must all lie before `as_of` (else ValueError).

    Where the catalogue knows nothing, the sources that need artists, tags or countries offer nothing.
    """
    history = History(listens, as_of)
    sources: dict[str, Callable[[], CandidateSource]] = {
        OwnTracks.name: lambda: OwnTracks(history, config.own_tracks),
        OwnRecency.name: lambda: OwnRecency(history),
        SessionCooccurrence.name: lambda: SessionCooccurrence(history, config.session_cooccurrence),
        Als.name: lambda: Als(history, config.als, fit_track_vectors(history, config.als)),
        ItemNeighbours.name: lambda: ItemNeighbours(history, config.item_neighbours),
        UserNeighbours.name: lambda: UserNeighbours(history, config.user_neighbours),
        Ease.name: lambda: Ease(history, config.ease),
        Transitions.name: lambda: Transitions(history, config.transitions),
        LovedArtists.name: lambda: LovedArtists(history, catalogue, config.artist_tracks),
        SimilarArtists.name: lambda: SimilarArtists(history, catalogue, config.artist_tracks),
        LikedTags.name: lambda: LikedTags(history, catalogue, config.liked_tags),
        Trending.name: lambda: Trending(history, config.trending),
        CountryPopular.name: lambda: CountryPopular(history, catalogue, config.country_popular),
        Popular.name: lambda: Popular(history, config.popular),
    }
    return Sources(history, sources, config.sizes)
