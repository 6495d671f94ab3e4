"""What is asked of the store, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, TypeVar, cast

from serving_api.catalogue import TRACKS, Kind
from serving_api.contract import NO_BLOCKS, Artist, Blocks, ReleaseMeta, Track
from serving_api.pages import Item, Page, Window, page, positions
from serving_api.records import Known, Records
from serving_api.rules import Rules, arranged

_Record = TypeVar("_Record", bound=Track | Artist)

Source = Literal["personal", "popular"]


class PopularItem(NamedTuple):
    """An item of a popular list: the track, and how it is shown."""

    track: Track
    item: Item


@dataclass(frozen=True)
class PopularList:
    """What is popular in a country, or overall where it is None: the items best first."""

    country: str | None
    items: list[PopularItem]

    def page(self, window: Window, blocks: Blocks = NO_BLOCKS, pinned: Mapping[str, PopularItem] | None = None) -> Page:
        """A window of the list, for whoever has blocked these; needs no Redis.

        pinned: what pins of the rules name, by the id that they name it by; without it, those in the list.
        """
        items = self.items if window.rules is None else _arranged(self.items, window, window.rules, pinned)
        kept = positions(items, lambda each: each.track.track_id in window.exclude or blocks.hold(each.track))
        return page(kept, window, lambda part: [items[position].item for position in part])


def _arranged(
    items: Sequence[PopularItem], window: Window, rules: Rules, pinned: Mapping[str, PopularItem] | None
) -> list[PopularItem]:
    if pinned is None:
        pinned = {item.track.track_id: item for item in items if item.track.track_id in rules.pins}
    by_key = {item.track.track_key: item for item in (*pinned.values(), *items)}
    tracks = [item.track for item in items if item.track.track_id not in window.exclude]
    pins = {track_id: item.track for track_id, item in pinned.items() if item.track.track_id not in window.exclude}
    return [by_key[track.track_key] for track in arranged(tracks, rules, pins)]


@dataclass(frozen=True)
class Release:
    """What this process keeps of a release: its description, its popular lists, and records that it has read."""

    meta: ReleaseMeta
    popular: PopularList
    tracks: Records[Track]
    artists: Records[Artist]
    countries: dict[str, PopularList] = field(default_factory=dict)
    """The lists of countries that were asked for so far; a country without a list is never among them."""

    trending: list[PopularList] = field(default_factory=list)
    """What is trending, once that was asked for."""

    tags: list[list[Item]] = field(default_factory=list)
    """The tags that may be chosen, once they were asked for."""

    @property
    def name(self) -> str:
        return self.meta.release

    def records_of(self, kind: Kind[_Record]) -> Records[_Record]:
        """The records of tracks or of artists."""
        return cast(Records[_Record], self.tracks if kind is TRACKS else self.artists)


@dataclass(frozen=True)
class ListAsked:
    """A window of the list that a user has in a slate, or without one of the popular list that they get."""

    user_id: str
    slate: str | None
    window: Window
    country: str | None = None
    """Whose popular list answers where there is none of the user, and the release does not say their country."""
    release: str | None = None
    """The release to read, which may be the previous one; the live one without."""

    @property
    def what(self) -> str:
        """What an error says of it: not whose it is, as errors go to the log."""
        return f"the {self.slate} list of the user who is asked for"


@dataclass(frozen=True)
class UserSlate:
    """The answer for one user and slate: their own list, or a popular one where they have none."""

    release: Release
    page: Page
    source: Source
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
