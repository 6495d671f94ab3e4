"""What requests ask for, as their queries and bodies say it."""

from typing import Annotated, Any, Self

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from serving_api import models
from serving_api.pages import Cursor, Window
from serving_api.rule_fields import Ruled, RuledQuery, Tag

MAX_LIMIT = 100
MAX_OFFSET = 65_535
MAX_BATCH = 500
MAX_SEEDS = 50
# Longer than any country's full name.
MAX_COUNTRY_LENGTH = 100
_RELEASE = r"^\d{4}-\d\d-\d\d-[0-9a-f]{8}$"

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Most items to return.")]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET, description="Items to skip; see `next_offset`.")]
Country = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_COUNTRY_LENGTH,
        description="Spelled as profiles spell it. A country without a list gets the overall one.",
        examples=["Finland"],
    ),
]
Release = Annotated[
    str | None,
    Field(
        pattern=_RELEASE,
        description="The release to read, as an answer named it: the live or the previous one. 410 when it is gone.",
        examples=["2026-11-22-3f9a1c07"],
    ),
]
Exclude = Annotated[
    tuple[str, ...],
    Field(
        description="Ids of tracks to leave out, as answers name them, separated by commas; may be repeated."
        " Give the same ones for every page.",
        examples=[["t-000001,t-000002"]],
    ),
]
Slate = Annotated[
    models.Slate,
    Field(
        description="`for_you` may repeat what the user has heard; `discover` never does; `rediscover` holds"
        " only what they have heard, though not in the last 60 days."
    ),
]
UserId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=512,
        description="As the source of the listens gave it.",
        examples=["user_000042"],
    ),
]
TrackId = Annotated[str, Path(min_length=1, max_length=2048, examples=["t-004711"])]
ArtistId = Annotated[str, Path(min_length=1, max_length=2048, examples=["a-000117"])]


def ids(groups: tuple[str, ...]) -> frozenset[str]:
    """The ids that are separated by commas."""
    return frozenset(track_id for group in groups for track_id in group.split(",") if track_id)


class NoQuery(BaseModel):
    """Of a route that has no query."""


class PageQuery(BaseModel):
    """Which page of a list."""

    limit: Limit = 20
    offset: Offset = 0

    @property
    def window(self) -> Window:
        """The page as a part of the list."""
        return Window(self.limit, self.offset)


class ListQuery(PageQuery):
    """Which page of a list of tracks, and what is to be left out of it."""

    exclude: Exclude = ()
    country: Country = None
    release: Release = None
    cursor: Annotated[
        Cursor | None,
        BeforeValidator(Cursor.parse),
        WithJsonSchema({"type": "string"}),
        Field(
            description="Where the page before ended, as its `next` says: in place of `offset` and `release`. Every"
            " item comes once, whatever is published or blocked in between.",
            examples=["2026-11-22-3f9a1c07.o.20.20"],
        ),
    ] = None

    @property
    def window(self) -> Window:
        """The page as a part of the list."""
        return Window(self.limit, self.offset, ids(self.exclude), self.cursor)

    @property
    def pinned(self) -> str | None:
        """The release that is asked for by name."""
        return self.cursor.release if self.cursor is not None else self.release

    @model_validator(mode="after")
    def _cursor_stands_alone(self) -> Self:
        if self.cursor is not None and (self.offset or self.release):
            raise ValueError("a cursor says where to go on: give neither offset nor release beside it")
        return self


class RuledListQuery(ListQuery, RuledQuery):
    """Which page of a list of tracks, and the rules that hold for it."""


class RecommendationsQuery(RuledListQuery):
    """Which page of a list of a user, and the rules that hold for it."""

    slate: Slate = "for_you"


class PlaylistQuery(RuledQuery):
    """What is in a playlist."""

    limit: Limit = MAX_LIMIT
    exclude: Exclude = ()
    country: Country = None
    release: Release = None

    @property
    def window(self) -> Window:
        """The part of the list that is in the playlist."""
        return Window(self.limit, exclude=ids(self.exclude))


class HomeQuery(RuledQuery):
    """Which shelves of a home screen."""

    limit: Annotated[int, Field(ge=1, le=50, description="Most items of a shelf.")] = 10
    at_least: Annotated[
        int, Field(ge=1, le=50, description="A shelf with fewer items is left out, unless `limit` is less.")
    ] = 4
    exclude: Exclude = ()
    country: Country = None
    release: Release = None

    @property
    def window(self) -> Window:
        """A shelf, as a part of its list."""
        return Window(self.limit, exclude=ids(self.exclude))


class _Body(BaseModel):
    """A body with the fields that are described, and with no others."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, given: Any) -> Any:
        # To list a hundred thousand unknown ones takes a second.
        if isinstance(given, dict) and len(given) > 2 * len(cls.model_fields):
            raise ValueError(f"there are {len(given)} fields, and {len(cls.model_fields)} are described")
        return given


_Ids = list[Annotated[str, Field(min_length=1, max_length=2048)]]


class SeedsBody(_Body):
    """What somebody chose, for instance while they registered."""

    artists: _Ids = Field(default=[], max_length=MAX_SEEDS, examples=[["a-000117", "a-000042"]])
    tracks: _Ids = Field(default=[], max_length=MAX_SEEDS, examples=[["t-004711"]])
    tags: list[Tag] = Field(
        default=[],
        max_length=MAX_SEEDS,
        description="As `/v1/tags` lists them, in any case.",
        examples=[["dream pop"]],
    )
    exclude: _Ids = Field(default=[], max_length=MAX_BATCH, description="Ids of tracks to leave out.", examples=[[]])
    limit: Limit = 20
    offset: Offset = 0

    @model_validator(mode="after")
    def _something_is_chosen(self) -> Self:
        if not self.artists and not self.tracks and not self.tags:
            raise ValueError("give at least one artist, track or tag")
        return self


class BatchBody(_Body, Ruled):
    """Whose lists are asked for at once."""

    user_ids: list[Annotated[str, Field(min_length=1, max_length=512)]] = Field(
        min_length=1, max_length=MAX_BATCH, examples=[["user_000042", "user_000043"]]
    )
    slate: Slate = "for_you"
    limit: Limit = 20
    country: Country = None
    release: Release = None
