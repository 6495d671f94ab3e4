"""Releases whose content is known, and what the read API must make of it: worked out here without any of its code."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sample_release import (
    COUNTRIES,
    NEWCOMERS,
    WITHOUT_DISCOVER,
    sample_country,
    sample_list,
    sample_release,
    sample_track,
)

from assets.lookup.index import Name, built_index
from assets.publish.content import ReleaseInput
from assets.publish.plan import plan_release
from serving_api.contract import NO_ANCHOR, SearchKind, search_entries

USERS = 340
TRACKS = 40
LENGTH = 30
POPULAR = 25
AT_LEAST = 4
"""Items of a shelf of a home screen that is not left out."""


class Blocked(NamedTuple):
    """What a user has blocked."""

    tracks: frozenset[str] = frozenset()
    artists: frozenset[str] = frozenset()


NOTHING = Blocked()


class Shown(NamedTuple):
    """What must be there of an item."""

    rank: int
    track_id: str
    title: str | None
    artist_id: str | None
    because: str | None
    """Title of the track that it follows from."""


class Expected(NamedTuple):
    """A whole list, as it must be answered."""

    source: str
    fallback_reason: str | None
    country: str | None
    model_version: str | None
    items: list[Shown]


@dataclass(frozen=True)
class KnownRelease:
    """A release by the marker that all of its texts have."""

    marker: str
    name: str
    content: ReleaseInput

    def list_of(self, user_id: str, slate: str, blocked: Blocked) -> Expected:
        """What a user gets for a slate while the store answers."""
        own = self._own(user_id, slate, blocked)
        if own:
            return Expected("personal", None, None, f"{slate}-{self.marker}", own)
        known = user_id.startswith("user_")
        country = NEWCOMERS.get(user_id)
        items = self.popular(country, blocked)
        return Expected("popular", "empty_slate" if known else "unknown_user", country, None, items)

    def popular(self, country: str | None = None, blocked: Blocked = NOTHING) -> list[Shown]:
        """What is popular in a country or overall."""
        keys = range(TRACKS - 1, TRACKS - 1 - POPULAR, -1)
        listed = sample_country(self.marker, country, TRACKS) if country in COUNTRIES else list(keys)
        return self._shown(listed, [NO_ANCHOR] * len(listed), blocked)

    def home(self, user_id: str, limit: int, blocked: Blocked) -> dict[str, list[Shown]]:
        """The shelves of a home screen, by name."""
        shelves: dict[str, list[Shown]] = {}
        seen: set[str] = set()
        for number, slate in enumerate(("for_you", "discover", "popular"), 1):
            own = self._own(user_id, slate, blocked) if slate != "popular" else self.popular(None, blocked)
            # The popular shelf is the fourth that is asked for: the release has nothing to rediscover.
            window = own[: limit * (4 if slate == "popular" else number)]
            items = [item for item in window if item.track_id not in seen][:limit]
            if len(items) >= AT_LEAST:
                seen |= {item.track_id for item in items}
                shelves[slate] = [item._replace(rank=rank) for rank, item in enumerate(items, 1)]
        return shelves

    def _own(self, user_id: str, slate: str, blocked: Blocked) -> list[Shown]:
        if not user_id.startswith("user_") or slate == "rediscover":
            return []
        if slate == "discover" and user_id == WITHOUT_DISCOVER:
            return []
        keys, anchors = sample_list(self.marker, slate, int(user_id.removeprefix("user_")), TRACKS, LENGTH)
        return self._shown(keys, anchors, blocked)

    def _shown(self, keys: Sequence[int], anchors: Sequence[int], blocked: Blocked) -> list[Shown]:
        def is_blocked(key: int) -> bool:
            track = sample_track(self.marker, key)
            return track.track_id in blocked.tracks or track.artist_id in blocked.artists

        left = [(key, anchor) for key, anchor in zip(keys, anchors, strict=True) if not is_blocked(key)]
        items = []
        for rank, (key, anchor) in enumerate(left, 1):
            track = sample_track(self.marker, key)
            hidden = anchor == NO_ANCHOR or is_blocked(anchor)
            because = None if hidden else sample_track(self.marker, anchor).title
            items.append(Shown(rank, track.track_id, track.title, track.artist_id, because))
        return items


def shown_of(items: Sequence[dict[str, Any]]) -> list[Shown]:
    """The same of the items of an answer."""
    return [
        Shown(
            item["rank"],
            item["track_id"],
            item["title"],
            item["artist_id"],
            item["reason"]["title"] if item["reason"] else None,
        )
        for item in items
    ]


def markers_of(body: Any) -> set[str]:
    """The markers of all releases that an answer, or a part of one, has anything of."""
    if isinstance(body, list):
        return set[str]().union(*map(markers_of, body))
    if not isinstance(body, dict):
        return set()
    texts = [text for name in ("title", "album") if (text := body.get(name))]
    found = {text.rpartition(" of ")[2] for text in texts}
    if version := body.get("model_version"):
        found.add(version.rpartition("-")[2])
    return found | markers_of(list(body.values()))


def known_release(marker: str) -> KnownRelease:
    """A release of 340 users, whose tracks can be searched by their titles."""
    tracks = [sample_track(marker, key) for key in range(TRACKS)]
    names = [Name(SearchKind.TRACK, each.track_key, str(each.title), each.artist, True) for each in tracks]
    with built_index(names) as (description, archive):
        entries = list(search_entries(description, archive))
    content = replace(
        sample_release(marker, users=USERS, tracks=TRACKS, length=LENGTH, batch_users=40),
        search=lambda: iter(entries),
    )
    return KnownRelease(marker, plan_release(content).release, content)
