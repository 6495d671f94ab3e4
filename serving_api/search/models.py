"""The documents that a search answers with."""

from typing import Annotated, Literal

from pydantic import Field

from serving_api.models import ArtistInfo, Provenance, TrackInfo

Kind = Literal["track", "artist", "all"]

_RANK = Field(ge=1, description="Place among what was found, from 1.", examples=[1])
_SCORE = Field(
    description="The whole part says how the name was found: 4 by all of it, 3 by its words, where the last may go"
    " on, 2 by words with a wrong letter each, 1 with two. The rest grows with popularity.",
    examples=[4.75],
)


class FoundTrack(TrackInfo):
    """A track that was found."""

    kind: Literal["track"]
    rank: int = _RANK
    score: float = _SCORE


class FoundArtist(ArtistInfo):
    """An artist who was found."""

    kind: Literal["artist"]
    rank: int = _RANK
    score: float = _SCORE


class Found(Provenance):
    """What was found by name, best first."""

    q: str = Field(description="What was searched for.", examples=["beyonce halo"])
    kind: Kind
    fallback_reason: Literal["previous_release", "too_few_listeners"] | None = Field(
        examples=[None],
        description="`previous_release`: the index of the live release is not open yet, or cannot be read, and"
        " `release` names the one before, which all of this is of. `too_few_listeners`: nothing was heard by 3 people,"
        " so names are found by all of their words alone. Null else.",
    )
    items: list[Annotated[FoundTrack | FoundArtist, Field(discriminator="kind")]]
