"""What is asked of the store, and what it answers."""

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from serving_api.contract import Artist, Blocks, ReleaseMeta, Track

Item = dict[str, Any]
_Record = TypeVar("_Record", bound=Track | Artist)

NO_BLOCKS = Blocks(frozenset(), frozenset())


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for: `limit` items from `offset`, counted without excluded and blocked tracks."""

    limit: int
    offset: int
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Page:
    """A window of a ranked list."""

    items: list[Item]
    next_offset: int | None


@dataclass(frozen=True)
class PopularList:
    """What is popular in a country, or overall where it is None: the items best first, unranked."""

    country: str | None
    items: list[Item]

    def page(self, window: Window, blocks: Blocks = NO_BLOCKS) -> Page:
        """A window of the list, for whoever has blocked these; needs no Redis."""
        hidden = window.exclude | blocks.track_ids
        kept = [
            item for item in self.items if item["track_id"] not in hidden and item["artist_id"] not in blocks.artist_ids
        ]
        shown = kept[window.offset : window.offset + window.limit]
        return Page(
            [{"rank": rank, **item} for rank, item in enumerate(shown, window.offset + 1)],
            next_offset(window, len(kept)),
        )


@dataclass(frozen=True)
class Release:
    """What this process keeps of a release: its description and its popular lists."""

    meta: ReleaseMeta
    popular: PopularList
    countries: dict[str, PopularList] = field(default_factory=dict)
    """The lists of countries that were asked for so far; a country without a list is never among them."""


@dataclass(frozen=True)
class UserSlate:
    """The answer for one user and slate: their own list, or a popular one where they have none."""

    release: Release
    page: Page
    source: Literal["personal", "popular"]
    known: bool
    """Whether the user has a list for any slate."""
    country: str | None
    """The country that a popular list is of."""


@dataclass(frozen=True)
class Similar(Generic[_Record]):
    """The answer for one track or artist."""

    release: Release
    item: _Record
    page: Page
    alone: bool
    """Whether it is like no other, so that every page is empty."""


def record_document(record: Track | Artist) -> dict[str, str | None]:
    """What an app is shown of a track or an artist: everything but the key, which never leaves the platform."""
    return dict(zip(record._fields[1:], record[1:], strict=True))


def next_offset(window: Window, total: int) -> int | None:
    """`offset` of the window after this one in a list of `total` items; None at its end."""
    end = window.offset + window.limit
    return end if end < total else None
