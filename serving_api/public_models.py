"""The documents of what the API answers about no user: what artists have, what is trending, what follows from seeds."""

from typing import Literal

from pydantic import Field

from serving_api.models import ArtistInfo, Document, Provenance, TrackInfo


class ListedTrack(TrackInfo):
    """A track in a public list."""

    rank: int = Field(ge=1, description="Place in the list, from 1.", examples=[1])
    score: float = Field(description="Comparable within one list only.", examples=[1.75])


class ArtistTracks(Provenance):
    """An artist, and a page of their tracks, as popular tracks are ordered."""

    artist: ArtistInfo
    fallback_reason: Literal["too_few_listeners"] | None = Field(
        examples=[None],
        description="`too_few_listeners` where the list is empty: 3 people heard none of the tracks. Null else.",
    )
    items: list[ListedTrack] = Field(description="Only tracks that at least 3 people heard; at most 100 in all.")
    next_offset: int | None = Field(description="`offset` of the next page; null at the end.", examples=[20])


class TrendingTrack(ListedTrack):
    """A track that more people hear than before."""

    reason: None = Field(description="Always null.", examples=[None])


class Trending(Provenance):
    """A page of what more people hear than before."""

    fallback_reason: Literal["too_few_listeners"] | None = Field(
        examples=[None],
        description="`too_few_listeners` where the list is empty: 3 people heard nothing in the last seven days.",
    )
    items: list[TrendingTrack] = Field(description="Only tracks that at least 3 people heard in the last seven days.")
    next_offset: int | None = Field(description="`offset` of the next page; null at the end.", examples=[20])


class Tag(Document):
    """A tag that somebody can choose."""

    rank: int = Field(ge=1, description="Place in the list, from 1.", examples=[1])
    tag: str = Field(description="In lower case.", examples=["dream pop"])
    tracks: int = Field(ge=1, le=100, description="How many tracks it leads to, at most 100.", examples=[64])


class Tags(Provenance):
    """A page of the tags that a list can follow from."""

    items: list[Tag] = Field(
        description="Only tags of at least 20 tracks that 3 people heard; none that fewer than 3 people gave. First"
        " those whose tracks were heard by most people in the last 30 days, somebody who heard several of them counting"
        " once for each."
    )
    next_offset: int | None = Field(description="`offset` of the next page; null at the end.", examples=[20])


class SeedReason(Document):
    """Which of the seeds says most for a track: an artist, with id and name, a track, with id and title, or a tag."""

    type: Literal["because_you_chose"]
    artist_id: str | None = Field(default=None, examples=["a-000117"])
    name: str | None = Field(default=None, examples=["The Orchard Line"])
    track_id: str | None = Field(default=None, examples=[None])
    title: str | None = Field(default=None, examples=[None])
    tag: str | None = Field(default=None, description="In lower case.", examples=[None])


class SeededTrack(ListedTrack):
    """A track that follows from seeds, or is popular."""

    reason: SeedReason | None


class FromSeeds(Provenance):
    """A list for somebody new."""

    source: Literal["seeds", "popular"]
    fallback_reason: Literal["unknown_seeds", "nothing_similar", "too_few_listeners"] | None = Field(
        examples=[None],
        description="Why a popular list answers: `unknown_seeds` where no seed is known, `nothing_similar` where 3"
        " people share nothing with them, `too_few_listeners` where the popular list is empty as well. Null else.",
    )
    unknown_ids: list[str] = Field(description="Artists and tracks that the release does not know.", examples=[[]])
    unknown_tags: list[str] = Field(
        description="Tags that the release does not know, as they were given: `/v1/tags` lists those that it does.",
        examples=[[]],
    )
    items: list[SeededTrack]
    next_offset: int | None = Field(description="`offset` of the next page; null at the end.", examples=[20])
