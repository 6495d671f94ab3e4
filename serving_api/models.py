"""The documents the API answers with, as its OpenAPI description shows them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Slate = Literal["for_you", "discover", "rediscover"]
FallbackReason = Literal[
    "unknown_user", "empty_slate", "slate_refused", "store_unavailable", "no_model", "too_few_listeners"
]
LeftOutReason = Literal["too_short", "empty_slate", "slate_refused", "unknown_user", "store_unavailable"]
StaleReason = Literal["newer_refused"]
NextLink = Annotated[
    str | None,
    Field(
        description="Path and query of the next page: it goes on in this release, for as long as that is kept, and"
        " where this page ended, whatever is blocked in between. Null at the end, and while the store does not answer.",
        examples=["/v1/popular?limit=20&cursor=2026-11-22-3f9a1c07.p.20.20"],
    ),
]


class Document(BaseModel):
    """A JSON document with exactly the declared fields."""

    model_config = ConfigDict(extra="forbid")


class Reason(Document):
    """Why an item is in the list: the track, heard by the user, that it follows from."""

    type: Literal["because_you_listened_to"]
    track_id: str = Field(examples=["t-001042"])
    title: str | None = Field(examples=["Paper Lanterns"])


class TrackInfo(Document):
    """What an app shows of a track."""

    track_id: str = Field(description="As the source of the listens gave it.", examples=["t-004711"])
    title: str | None = Field(examples=["Slow River"])
    artist: str | None = Field(examples=["The Orchard Line"])
    artist_id: str | None = Field(examples=["a-000117"])
    recording_mbid: str | None = Field(description="MusicBrainz recording id.", examples=[None])
    album: str | None = Field(examples=["Low Tide"])
    duration_ms: int | None = Field(description="Length in milliseconds.", examples=[214_000])
    isrc: str | None = Field(description="International Standard Recording Code.", examples=["FIABC2600042"])
    tags: list[str] = Field(
        description="At most 10, most frequent first, in lower case; none that fewer than 3 people gave.",
        examples=[["dream pop", "finnish"]],
    )
    release_year: int | None = Field(examples=[2026])
    explicit: bool | None = Field(description="Null where it is not known.", examples=[False])


class Item(TrackInfo):
    """One recommended track."""

    rank: int = Field(ge=1, description="Place in the list, after exclusions, blocks and rules; from 1.", examples=[1])
    score: float | None = Field(
        description="Comparable within one list only; null for a track that is pinned and that the list lacks. In a"
        " popular list: how many people heard the track in the last 30 days, of the country where the list is of one; 0"
        " in the overall list where they are fewer than 3.",
        examples=[0.8125],
    )
    reason: Reason | None


class ArtistInfo(Document):
    """What an app shows of an artist."""

    artist_id: str = Field(description="As the source of the listens gave it.", examples=["a-000117"])
    name: str | None = Field(examples=["The Orchard Line"])
    artist_mbid: str | None = Field(description="MusicBrainz artist id.", examples=[None])


class Provenance(Document):
    """Where an answer comes from."""

    release: str = Field(description="The published batch.", examples=["2026-11-22-3f9a1c07"])
    as_of: date = Field(description="Only listens before this date (00:00 UTC) were known.")
    generated_at: datetime


class List(Provenance):
    """A page of a ranked list."""

    source: Literal["personal", "popular"]
    fallback_reason: FallbackReason | None = Field(
        examples=[None],
        description="Why this answers in place of a list that a model ranked for the user. `unknown_user`: the user has"
        " no list at all, and gets a popular one. `empty_slate`: they have none for this slate, or have blocked"
        " everything in it, or rules leave nothing of it, and they get a popular one. `slate_refused`: the lists of"
        " this slate did not pass their checks and there are no older ones, so a popular one answers."
        " `too_few_listeners`: so it is, and nothing was heard by 3 people, so the popular list is empty. `no_model`:"
        " it is their own list, but no ranker serves the slate yet; `model_version` says what it is ordered by."
        " `store_unavailable`: the store does not answer, and the list is the last overall popular one that this"
        " process saw. If the store is silent altogether, or has lost its data, what the user has blocked is not known,"
        " and may be in the list: an app that would rather show nothing drops lists with `store_unavailable`."
        " Null without a fallback.",
    )
    country: str | None = Field(
        examples=[None],
        description="The country whose listeners the popular list is of, as profiles name it. Null for the overall list"
        " and for a personal one.",
    )
    items: list[Item]
    next_offset: int | None = Field(description="`offset` of the next page; null at the end.", examples=[20])


class UserList(List):
    """A page of one user's slate, or of a popular list where there is none."""

    user_id: str = Field(examples=["user_000042"])
    slate: Slate
    as_of: date = Field(
        description="Only listens before this date (00:00 UTC) were known to the list: the date of the release, unless"
        " `stale_reason` says why the list is older."
    )
    stale_reason: StaleReason | None = Field(
        examples=[None],
        description="Why the list is older than the release. `newer_refused`: the newer lists of this slate did not"
        " pass their checks, so the last ones that did stay. Null where it is not older.",
    )
    model_version: str | None = Field(
        description="The model that ranked the list; `untrained/` and what it is ordered by where no ranker serves the"
        " slate yet; null for a popular list.",
        examples=["for_you-2026-11-16-9b1e44d0"],
    )


class Recommendations(UserList):
    """A page of one user's slate, or of a popular list where there is none, and where the next one is."""

    next: NextLink
    scenario: str | None = Field(description="The scenario whose rules hold; null without one.", examples=[None])


class Batch(Document):
    """The lists of many users, in the order in which they were asked for."""

    lists: list[UserList]


class Shelf(Document):
    """One list of a home screen: its tracks are on no shelf before."""

    slate: Slate | Literal["popular"]
    source: Literal["personal", "popular"]
    model_version: str | None = Field(description="As for a list of its own.", examples=["for_you-2026-11-16-9b1e44d0"])
    fallback_reason: FallbackReason | None = Field(description="As for a list of its own.", examples=[None])
    country: str | None = Field(description="As for a list of its own.", examples=[None])
    as_of: date = Field(description="As for a list of its own.")
    stale_reason: StaleReason | None = Field(description="As for a list of its own.", examples=[None])
    items: list[Item]


class LeftOut(Document):
    """A shelf that is not there."""

    slate: Slate | Literal["popular"]
    reason: LeftOutReason = Field(
        description="`too_short`: fewer tracks than `at_least` are in no shelf before. `empty_slate`: the user has no"
        " list for this slate. `unknown_user`: nor for any other. `slate_refused`: nobody has one, as the lists of this"
        " slate did not pass their checks. `store_unavailable`: the list cannot be read now."
    )


class Home(Provenance):
    """The shelves of a user's home screen, in order."""

    user_id: str = Field(examples=["user_000042"])
    shelves: list[Shelf]
    left_out: list[LeftOut]


class Popular(List):
    """A page of the popular list, overall or of a country: by listeners, an account counting once."""

    next: NextLink

    source: Literal["popular"]
    items: list[Item] = Field(
        description="Only tracks that at least 3 people heard, in the country where the list is of one. Empty where"
        " there are none."
    )
    country: str | None = Field(
        examples=["Finland"],
        description="The country whose listeners the list is of, as profiles name it. Null for the overall list.",
    )


class Track(Provenance):
    """One track of the live release's catalogue."""

    track: TrackInfo


class SimilarTrack(TrackInfo):
    """A track that is like another."""

    rank: int = Field(ge=1, description="Place in the list, from 1.", examples=[1])
    score: float = Field(description="Higher is more alike; comparable within one list only.", examples=[0.0625])


class SimilarList(Provenance):
    """A page of what is most like something."""

    fallback_reason: Literal["too_few_listeners"] | None = Field(
        examples=[None],
        description="`too_few_listeners` where the list is empty: nothing else was heard by 3 of those who heard this."
        " Null else.",
    )


class SimilarTracks(SimilarList):
    """A page of the tracks that are most like a track."""

    track: TrackInfo
    items: list[SimilarTrack] = Field(
        description="Only tracks that at least 3 people heard as well as this one; empty where there are none."
    )
    next_offset: int | None = Field(description="`offset` of the next page; null at the end.", examples=[20])


class SimilarArtist(ArtistInfo):
    """An artist who is like another."""

    rank: int = Field(ge=1, description="Place in the list, from 1.", examples=[1])
    score: float = Field(description="Higher is more alike; comparable within one list only.", examples=[0.0625])


class SimilarArtists(SimilarList):
    """A page of the artists who are most like an artist."""

    artist: ArtistInfo
    items: list[SimilarArtist] = Field(
        description="Only artists whom at least 3 people heard as well as this one; empty where there are none."
    )
    next_offset: int | None = Field(description="`offset` of the next page; null at the end.", examples=[20])


class Alive(Document):
    """The process answers."""

    status: Literal["alive"]


class Ready(Provenance):
    """Redis answers and there is a live release that this API understands."""

    status: Literal["ready"]
    contract_version: int


class ReadyShort(Document):
    """Redis answers and there is a live release: what is told without the scope `operate`."""

    status: Literal["ready"]


class FieldError(Document):
    """One request parameter that is not as it must be."""

    field: str = Field(examples=["query.limit"])
    message: str = Field(examples=["Input should be less than or equal to 100"])


class Problem(BaseModel):
    """An error as RFC 9457 describes it."""

    type: str = Field(description="`about:blank` where the status says it all, else a URN.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request.")
    request_id: str = Field(description="As in the X-Request-ID header.")
    errors: list[FieldError] | None = Field(
        default=None, description="With status 422: what is wrong with which field."
    )
