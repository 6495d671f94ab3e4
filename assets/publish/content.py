"""What goes into a release."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving_api import contract
from serving_api.contract import Artist, ContractError, HeldSlate, Track
from warehouse.errors import AudoticsError


class ReleaseError(AudoticsError):
    """A release that cannot be published, listed or rolled back."""


@dataclass(frozen=True)
class SlateBatch:
    """The lists of some users: list i belongs to user_ids[i] and is the slice offsets[i]:offsets[i + 1].

    `offsets` has shape (users + 1,); the other arrays have shape (n,), best first within each list. Users
    without a list are left out. `anchor_keys` holds the listened-to track behind each item, -1 for none.
    """

    user_ids: Sequence[str]
    offsets: NDArray[np.int64]
    track_keys: NDArray[np.int32]
    scores: NDArray[np.float32]
    anchor_keys: NDArray[np.int32] | None = None

    def packed(self) -> list[bytes]:
        """The lists as the contract stores them. Raises ContractError."""
        if len(self.offsets) != len(self.user_ids) + 1:
            raise ContractError(f"{len(self.user_ids)} users come with {len(self.offsets)} offsets")
        return contract.pack_lists(self.offsets, self.track_keys, self.scores, self.anchor_keys)


@dataclass(frozen=True)
class SimilarBatch:
    """What is like some tracks or artists, or is by some artists: list i belongs to keys[i] and is the slice
    offsets[i]:offsets[i + 1].

    `keys` has shape (lists,), `offsets` (lists + 1,); the other arrays have shape (n,), best first within each list.
    """

    keys: NDArray[np.int32]
    offsets: NDArray[np.int64]
    similar_keys: NDArray[np.int32]
    scores: NDArray[np.float32]

    def packed(self) -> list[bytes]:
        """The lists as the contract stores them. Raises ContractError."""
        if len(self.offsets) != len(self.keys) + 1:
            raise ContractError(f"{len(self.keys)} similar lists come with {len(self.offsets)} offsets")
        return contract.pack_lists(self.offsets, self.similar_keys, self.scores)


@dataclass(frozen=True)
class TagBatch:
    """The tracks that have some tags: list i belongs to tags[i] and is the slice offsets[i]:offsets[i + 1].

    Tags are in lower case. `offsets` has shape (tags + 1,); the other arrays have shape (n,), best first within each
    list.
    """

    tags: Sequence[str]
    offsets: NDArray[np.int64]
    track_keys: NDArray[np.int32]
    scores: NDArray[np.float32]

    def packed(self) -> list[bytes]:
        """The lists as the contract stores them. Raises ContractError."""
        if len(self.offsets) != len(self.tags) + 1:
            raise ContractError(f"{len(self.tags)} tags come with {len(self.offsets)} offsets")
        return contract.pack_lists(self.offsets, self.track_keys, self.scores)


class PopularTracks(NamedTuple):
    """What is popular somewhere, best first. Both arrays have shape (n,)."""

    track_keys: NDArray[np.int32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class ReleaseInput:
    """The content of a release.

    `batches` (by slate), `tracks`, `artists`, `artist_tracks`, `tag_tracks`, `other_ids` and `similar` (by kind of
    item) and `user_countries` are called once, and only one batch of each is held in memory at once; their order does
    not matter.
    """

    as_of: date
    generated_at: datetime
    lists_made_at: datetime
    """When the lists replaced older ones. Neither instant is content: the same lists are the same release."""
    model_versions: Mapping[str, str]
    """Model version per slate; its keys are the slates of the release."""
    batches: Callable[[str], Iterator[SlateBatch]]
    tracks: Callable[[], Iterator[Sequence[Track]]]
    """The catalogue: at least every track of any list, and every anchor."""
    artists: Callable[[], Iterator[Sequence[Artist]]]
    """At least every artist of any similar list."""
    other_ids: Callable[[str], Iterator[Sequence[tuple[str, int]]]]
    """Of `track` and of `artist`: public ids that another one stands for, and the key of that one. Apps hold them from
    before the two were found to be one. None is there twice, or is the id of a track or artist of the release."""
    similar: Callable[[str], Iterator[SimilarBatch]]
    """Of `track` and of `artist`; those that are like no other are left out."""
    artist_tracks: Callable[[], Iterator[SimilarBatch]]
    """The tracks of artists, by artist key; artists without one that may be shown are left out."""
    tag_tracks: Callable[[], Iterator[TagBatch]]
    """The tracks of tags, of those that may be chosen as seeds; none twice."""
    popular: PopularTracks
    """What is popular overall."""
    trending: PopularTracks
    """What more people hear than before."""
    country_popular: Mapping[str, PopularTracks]
    """By country, of those that have a list; empty where profiles name none."""
    user_countries: Callable[[], Iterator[Sequence[tuple[str, str]]]]
    """User id and country of users without listens; each country has a list."""
    expected_users: Mapping[str, int]
    """Users per slate who should have a list; coverage is measured against it."""
    held: Mapping[str, HeldSlate] = field(default_factory=dict)
    """The slates whose newest lists were refused, and the dates of those that the release has in their place."""
    search: Callable[[], Iterator[tuple[bytes, bytes]]] = field(default=lambda: iter(()))
    """The fields of the search index and what is in them, as contract.search_entries makes them; none without one."""
