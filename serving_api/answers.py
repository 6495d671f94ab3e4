"""What is asked of the store, and what it answers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, TypeVar

from serving_api.contract import NO_BLOCKS, Artist, Blocks, ReleaseMeta, Track
from serving_api.records import Known, Records

_Record = TypeVar("_Record", bound=Track | Artist)


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for: `limit` items from `offset`, counted without excluded and blocked tracks."""

    limit: int
    offset: int
    exclude: frozenset[str] = frozenset()

    @property
    def part(self) -> slice:
        """The part of what is left of a list."""
        return slice(self.offset, self.offset + self.limit)

    def next_offset(self, total: int) -> int | None:
        """`offset` of the window after this one in a list of `total` items; None at its end."""
        end = self.offset + self.limit
        return end if end < total else None


@dataclass(frozen=True)
class Page:
    """A window of a ranked list: each item as a JSON object."""

    items: list[bytes]
    next_offset: int | None


def page(shown: Iterable[bytes], window: Window, total: int) -> Page:
    """The page of what a window shows of a list of `total` items; of each the JSON fields without braces and rank."""
    items = [b'{"rank":%d,%b}' % (rank, fields) for rank, fields in enumerate(shown, window.offset + 1)]
    return Page(items, window.next_offset(total))


class PopularItem(NamedTuple):
    """An item of a popular list: the track, and the JSON fields that an app is shown of it but for its rank."""

    track: Track
    shown: bytes


@dataclass(frozen=True)
class PopularList:
    """What is popular in a country, or overall where it is None: the items best first."""

    country: str | None
    items: list[PopularItem]

    def page(self, window: Window, blocks: Blocks = NO_BLOCKS) -> Page:
        """A window of the list, for whoever has blocked these; needs no Redis."""
        kept = [
            item.shown
            for item in self.items
            if item.track.track_id not in window.exclude and not blocks.hold(item.track)
        ]
        return page(kept[window.part], window, len(kept))


@dataclass(frozen=True)
class Release:
    """What this process keeps of a release: its description, its popular lists, and records that it has read."""

    meta: ReleaseMeta
    popular: PopularList
    tracks: Records[Track]
    artists: Records[Artist]
    countries: dict[str, PopularList] = field(default_factory=dict)
    """The lists of countries that were asked for so far; a country without a list is never among them."""

    @property
    def name(self) -> str:
        return self.meta.release


@dataclass(frozen=True)
class ListAsked:
    """A window of the list that a user has in a slate."""

    user_id: str
    slate: str
    window: Window
    country: str | None = None
    """Whose popular list answers where there is none of the user, and the release does not say their country."""

    @property
    def what(self) -> str:
        """What an error says of it: not whose it is, as errors go to the log."""
        return f"the {self.slate} list of the user who is asked for"


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
    item: Known[_Record]
    page: Page
    alone: bool
    """Whether it is like no other, so that every page is empty."""
