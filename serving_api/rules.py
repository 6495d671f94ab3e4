"""Rules at read: what is left of a ranked list, and in which order.

Pure: no connection, no clock. In `docs/adr/0047-rules-at-read.md` it says what each rule means, and which wins.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

from serving_api.contract import Track

# Within as many ranks a list is shuffled day by day: half a page, so that what leads a list stays on its first page.
BAND = 10


class Years(NamedTuple):
    """From the first to the last year, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Values:
    """What a track may have one of. Where it is not known what a track has, it has none."""

    artist_ids: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    years: tuple[Years, ...] = ()
    explicit: bool | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a track must have and must not have: of each kind that `include` names one, of what `exclude` names none."""

    include: Values = Values()
    exclude: Values = Values()

    def admits(self, track: Track) -> bool:
        """Whether the track passes."""
        details, include, exclude = track.details, self.include, self.exclude
        if include.artist_ids and track.artist_id not in include.artist_ids:
            return False
        if track.artist_id in exclude.artist_ids:
            return False
        if include.tags and include.tags.isdisjoint(details.tags):
            return False
        if exclude.tags and not exclude.tags.isdisjoint(details.tags):
            return False
        if include.years and not _within(details.release_year, include.years):
            return False
        if exclude.years and _within(details.release_year, exclude.years):
            return False
        if include.explicit is not None and details.explicit is not include.explicit:
            return False
        return exclude.explicit is None or details.explicit is not exclude.explicit


class Boost(NamedTuple):
    """Moves tracks up by some ranks, or down where they are negative; of several that are about a track, the sum."""

    scope: Literal["artist", "tag", "track"]
    value: str
    """The id of the artist or the track, or the tag in lower case."""
    ranks: int

    def is_about(self, track: Track) -> bool:
        """Whether it moves the track."""
        if self.scope == "tag":
            return self.value in track.details.tags
        return self.value == (track.artist_id if self.scope == "artist" else track.track_id)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a list: what was asked for and, with a scenario, what that says."""

    filters: tuple[Filter, ...] = ()
    """A track passes all of them."""
    boosts: tuple[Boost, ...] = ()
    pins: Mapping[str, int] = field(default_factory=dict)
    """The rank, from 1, by the public id of a track; no rank twice."""
    max_per_artist: int | None = None
    rotated_on: date | None = None
    """The day whose shuffle holds."""

    def admit(self, track: Track) -> bool:
        """Whether the filters let the track through."""
        return all(each.admits(track) for each in self.filters)


def arranged(tracks: Sequence[Track], rules: Rules, pinned: Mapping[str, Track]) -> list[Track]:
    """What is left of a ranked list, best first, in its new order.

    pinned: of the pins whose tracks may be shown, the track by the id that the pin names it by; in the list or not. In
    this order: filters leave out, boosts move, the day shuffles, of an artist there are no more than so many, and pins
    take their ranks, or the end of a list that is shorter.
    """
    placed: dict[int, tuple[int, Track]] = {}
    for track_id, track in pinned.items():
        # Two ids may be of one track.
        if rules.admit(track) and track.track_key not in placed:
            placed[track.track_key] = rules.pins[track_id], track
    rest = [track for track in tracks if track.track_key not in placed and rules.admit(track)]
    if rules.boosts:
        rest = _boosted(rest, rules.boosts)
    if rules.rotated_on is not None:
        rest = _rotated(rest, rules.rotated_on)
    if rules.max_per_artist is not None:
        rest = _capped(rest, rules.max_per_artist, Counter(track.artist_id for _, track in placed.values()))
    for rank, track in sorted(placed.values()):
        rest.insert(rank - 1, track)
    return rest


def _within(year: int | None, ranges: Sequence[Years]) -> bool:
    return year is not None and any(first <= year <= last for first, last in ranges)


def _boosted(tracks: Sequence[Track], boosts: Sequence[Boost]) -> list[Track]:
    def goal(ranked: tuple[int, Track]) -> float:
        rank, track = ranked
        up = sum(boost.ranks for boost in boosts if boost.is_about(track))
        # Ahead of what is at that rank where it moves up, behind it where it moves down.
        return rank - up - (up > 0) / 2 + (up < 0) / 2

    return [track for _, track in sorted(enumerate(tracks), key=goal)]


def _rotated(tracks: Sequence[Track], day: date) -> list[Track]:
    salt = day.isoformat().encode()

    def lot(track: Track) -> bytes:
        return hashlib.blake2b(track.track_id.encode(), digest_size=8, key=salt).digest()

    bands = (tracks[start : start + BAND] for start in range(0, len(tracks), BAND))
    return [track for band in bands for track in sorted(band, key=lot)]


def _capped(tracks: Sequence[Track], most: int, taken: Counter[str | None]) -> list[Track]:
    left = []
    for track in tracks:
        # Tracks of nobody known are of different people for all that is known.
        if track.artist_id is None or taken[track.artist_id] < most:
            taken[track.artist_id] += 1
            left.append(track)
    return left
