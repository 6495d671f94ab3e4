"""What is asked of the store, and what it answers."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from serving_api.contract import Artist, ReleaseMeta, Track

Item = dict[str, Any]
_Record = TypeVar("_Record", bound=Track | Artist)


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for: `limit` items from `offset`, counted without the excluded tracks."""

    limit: int
    offset: int
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Page:
    """A window of a ranked list."""

    items: list[Item]
    next_offset: int | None


@dataclass(frozen=True)
class Release:
    """What this process keeps of a release: its description and its popular list, best first, unranked."""

    meta: ReleaseMeta
    popular: list[Item]

    def popular_page(self, window: Window) -> Page:
        """A window of the popular list; needs no Redis."""
        kept = [item for item in self.popular if item["track_id"] not in window.exclude]
        shown = kept[window.offset : window.offset + window.limit]
        return Page(
            [{"rank": rank, **item} for rank, item in enumerate(shown, window.offset + 1)],
            next_offset(window, len(kept)),
        )


@dataclass(frozen=True)
class UserSlate:
    """The answer for one user and slate. `page` is None when the user has no list for the slate."""

    release: Release
    known: bool
    page: Page | None


@dataclass(frozen=True)
class Similar(Generic[_Record]):
    """The answer for one track or artist; the page is empty when it is like no other."""

    release: Release
    item: _Record
    page: Page


def record_document(record: Track | Artist) -> dict[str, str | None]:
    """What an app is shown of a track or an artist: everything but the key, which never leaves the platform."""
    return dict(zip(record._fields[1:], record[1:], strict=True))


def next_offset(window: Window, total: int) -> int | None:
    """`offset` of the window after this one in a list of `total` items; None at its end."""
    end = window.offset + window.limit
    return end if end < total else None
