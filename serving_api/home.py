"""A home screen: several lists of one release, no track twice."""

from dataclasses import replace
from typing import Any

import orjson

from serving_api import models
from serving_api.answers import ListAsked, Release, UserSlate
from serving_api.contract import Blocks
from serving_api.documents import age, provenance, version_and_reason, without_a_list
from serving_api.errors import ReleaseGoneError, StoreUnavailableError, UnreadableBlocksError
from serving_api.pages import Item, Page, Window
from serving_api.queries import HomeQuery
from serving_api.store import ReleaseStore
from serving_api.user_lists import Read

SLATES: tuple[models.Slate, ...] = ("for_you", "discover", "rediscover")
POPULAR = "popular"


async def home_screen(
    store: ReleaseStore, user_id: str, query: HomeQuery, window: Window
) -> tuple[dict[str, Any], StoreUnavailableError | ReleaseGoneError | None]:
    """The shelves of a user, and what kept one from being read, if something did.

    window: a shelf, as a part of its list, and the rules for that.

    Raises StoreUnavailableError where not one list can be read, UnreadableBlocksError, ReleaseGoneError.
    """
    asks = [
        # So many that a shelf is full, whatever of it stands in those before.
        ListAsked(user_id, slate, replace(window, limit=window.limit * number), query.country, query.release)
        for number, slate in enumerate((*SLATES, None), 1)
    ]
    lists = await store.user_slates(asks)
    faults = [found for found in lists if isinstance(found, StoreUnavailableError | ReleaseGoneError)]
    if faults and (len(faults) == len(lists) or any(isinstance(fault, UnreadableBlocksError) for fault in faults)):
        raise faults[0]
    release = next(found.release for found in lists if isinstance(found, UserSlate))
    screen = _Screen(query)
    for asked, found in zip(asks, lists, strict=True):
        screen.add(asked, found)
    shelves = {"shelves": screen.shelves, "left_out": screen.left_out}
    return provenance(release) | shelves, next(iter(faults), None)


def home_of_last_seen(release: Release, query: HomeQuery, window: Window, blocks: Blocks) -> dict[str, Any]:
    """The home screen while the store does not answer: what was popular when it did."""
    screen = _Screen(query)
    for slate in SLATES:
        screen.leave_out(slate, "store_unavailable")
    page = release.popular.page(window, blocks)
    screen.add(ListAsked("", None, window), UserSlate(release, page, "popular", known=False, country=None))
    return provenance(release) | {"shelves": screen.shelves, "left_out": screen.left_out}


class _Screen:
    """Puts shelves together."""

    def __init__(self, query: HomeQuery) -> None:
        self.shelves: list[dict[str, Any]] = []
        self.left_out: list[dict[str, str]] = []
        self._query = query
        self._shown: set[str] = set()

    def leave_out(self, slate: str, reason: models.LeftOutReason) -> None:
        self.left_out.append({"slate": slate, "reason": reason})

    def add(self, asked: ListAsked, found: Read) -> None:
        """The next shelf, of what is in none before."""
        slate = asked.slate or POPULAR
        if isinstance(found, StoreUnavailableError | ReleaseGoneError):
            self.leave_out(slate, "store_unavailable")
        elif asked.slate is not None and found.source == "popular":
            self.leave_out(slate, without_a_list(asked, found))
        else:
            items = [item for item in found.page.items if item.public_id not in self._shown][: self._query.limit]
            if len(items) < min(self._query.at_least, self._query.limit):
                self.leave_out(slate, "too_short")
            else:
                self._shown.update(item.public_id for item in items)
                self.shelves.append(_shelf(slate, asked, found, items))


def _shelf(slate: str, asked: ListAsked, found: UserSlate, items: list[Item]) -> dict[str, Any]:
    version, reason = version_and_reason(asked, found)
    return {
        "slate": slate,
        "source": found.source,
        "model_version": version,
        "fallback_reason": reason,
        "country": found.country,
        **age(asked, found),
        "items": orjson.Fragment(Page(items, 1, None, 0).json()),
    }
