"""The candidate sources there are: the pool, evaluations and tests take them from here, and a new one is one entry."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

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
from assets.candidates.source import CandidateSource
from assets.candidates.transitions import Transitions, TransitionsConfig
from assets.candidates.trending import Trending, TrendingConfig
from assets.candidates.user_neighbours import UserNeighbours, UserNeighboursConfig
from assets.catalogue import Catalogue
from warehouse.errors import AudoticsError

Fact = Literal["artists", "tags", "countries"]
Config = TypeVar("Config")


@dataclass(frozen=True)
class Entry(Generic[Config]):
    """A source, how it is fitted, and where it is used. One that is neither in the pool nor a baseline is off: nothing
    fits it that was not asked to.

    needs: what it is fitted on beside listens. size: how many candidates it puts into a user's pool by default; 0: it
    is not in the pool. baseline: what evaluations call the baseline whose lists it leads; None: it is not a baseline.
    """

    kind: type[CandidateSource]
    config: Callable[[], Config]
    fit: Callable[[History, Catalogue, Config], CandidateSource]
    needs: Fact | None = None
    size: int = 0
    baseline: str | None = None

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def is_off(self) -> bool:
        return not self.size and self.baseline is None


@dataclass(frozen=True)
class NoConfig:
    """Of a source that leaves nothing to choose."""


# Columns of candidates and of evaluations follow this order.
_ENTRIES: tuple[Entry[Any], ...] = (
    Entry(OwnTracks, OwnTracksConfig, lambda h, _, c: OwnTracks(h, c), size=100, baseline="own_plays"),
    Entry(OwnRecency, NoConfig, lambda h, _, c: OwnRecency(h), baseline="own_recency"),
    Entry(
        SessionCooccurrence,
        SessionCooccurrenceConfig,
        lambda h, _, c: SessionCooccurrence(h, c),
        size=100,
        baseline="session_cooccurrence",
    ),
    Entry(Als, AlsConfig, lambda h, _, c: Als(h, c, fit_track_vectors(h, c)), size=100, baseline="als"),
    Entry(ItemNeighbours, ItemNeighboursConfig, lambda h, _, c: ItemNeighbours(h, c), baseline="item_neighbours"),
    Entry(UserNeighbours, UserNeighboursConfig, lambda h, _, c: UserNeighbours(h, c), baseline="user_neighbours"),
    Entry(Ease, EaseConfig, lambda h, _, c: Ease(h, c), baseline="ease"),
    Entry(Transitions, TransitionsConfig, lambda h, _, c: Transitions(h, c)),
    Entry(LovedArtists, ArtistTracksConfig, LovedArtists, needs="artists", size=100),
    Entry(SimilarArtists, ArtistTracksConfig, SimilarArtists, needs="artists"),
    Entry(LikedTags, LikedTagsConfig, LikedTags, needs="tags"),
    Entry(Trending, TrendingConfig, lambda h, _, c: Trending(h, c)),
    Entry(CountryPopular, CountryPopularConfig, CountryPopular, needs="countries"),
    Entry(Popular, PopularConfig, lambda h, _, c: Popular(h, c), size=50, baseline="popular"),
)
SOURCES: dict[str, Entry[Any]] = {entry.name: entry for entry in _ENTRIES}

# The size of each source that is in the pool by default.
POOL_SIZES = {name: entry.size for name, entry in SOURCES.items() if entry.size}
# Of each baseline, the source that leads its lists.
BASELINES = {entry.baseline: name for name, entry in SOURCES.items() if entry.baseline is not None}


def needed_facts(sources: Iterable[str]) -> set[str]:
    """What `read_catalogue` is to read for the sources of these names."""
    return {needs for name in sources if (needs := SOURCES[name].needs) is not None}


def sources_off(asked_for: Collection[str]) -> list[str]:
    """The sources of these names, which are off; all that are with "all" among them.

    Raises:
        AudoticsError: no source that is off has such a name.
    """
    off = [name for name, entry in SOURCES.items() if entry.is_off]
    if unknown := sorted(set(asked_for) - {*off, "all"}):
        raise AudoticsError(f"no source that is off is called {', '.join(unknown)}; those that are: {', '.join(off)}")
    return off if "all" in asked_for else [name for name in off if name in asked_for]
