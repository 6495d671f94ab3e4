"""Reads a release back from Redis, all of it: whether it is what was published, before it goes live and ever after.

Its name follows from its content, so nothing but Redis is needed to tell. What was published, where that is known, says
in addition what is missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from assets.publish.plan import ReleaseCounts
from assets.publish.reading_back import (
    TRENDING,
    DamagedReleaseError,
    HandedOutTwiceError,
    Reader,
    packed_popular,
    packed_trending,
    unpacked,
)
from serving_api import contract
from serving_api.contract import ContractError, ReleaseMeta

READINGS = 3

_COUNTED = {
    "tracks": "track records",
    "track_details": "tracks with details",
    "track_ids": "public track ids",
    "artists": "artist records",
    "artist_ids": "public artist ids",
    "popular": "popular tracks",
    "trending": "trending tracks",
    "artist_tracks": "lists of artists' tracks",
    "tag_tracks": "lists of tags' tracks",
    "similar_tracks": "lists of similar tracks",
    "similar_artists": "lists of similar artists",
    "countries": "popular lists of countries",
    "user_countries": "users with a country",
    "search": "fields of the search index",
}


@dataclass(frozen=True)
class VerifiedRelease:
    """A release as Redis holds it, every entry of it read."""

    meta: ReleaseMeta
    counts: ReleaseCounts
    distinct_tracks: dict[str, int]
    """Number of different tracks in the lists, per slate."""


def verify(
    client: Redis,
    name: str,
    published: Mapping[str, Any] | None = None,
    *,
    stored_as: str | None = None,
    beat: Callable[[], object] = lambda: None,
) -> VerifiedRelease:
    """Read all that Redis holds of a release, and compare it with its name, its description and what was published.

    published: numbers by the names of ReleaseCounts, as far as they are known. stored_as: the name that the keys carry
    where they are not in their place yet. `beat` is called after every read of ENTRIES_PER_READ entries. `client` must
    not decode responses.

    Raises DamagedReleaseError with the first fault: numbers that differ, an entry that cannot be read, a key without a
    record, content that another name would follow from.
    """
    stored = stored_as or name
    with _faults_as_damage(name):
        meta = read_meta(client, stored)
        counts = _held_counts(client, stored, meta.slates)
        for expected in (described_counts(meta), published or {}):
            _require_counts(counts, expected)
        distinct_tracks = _read(client, stored, meta, name, beat)
    return VerifiedRelease(meta, counts, distinct_tracks)


def described_counts(meta: ReleaseMeta) -> dict[str, Any]:
    """What the description of a release says of its size, by the names of ReleaseCounts."""
    return {"users": meta.users, "tracks": meta.tracks, "popular": meta.popular}


def read_meta(client: Redis, name: str) -> ReleaseMeta:
    """The description of a release, from Redis. Raises ContractError when it is missing or unreadable."""
    with _other_types_as_damage():
        return contract.unpack_meta(cast(bytes, client.get(contract.meta_key(name)) or b""))


@contextmanager
def _faults_as_damage(name: str) -> Iterator[None]:
    try:
        with _other_types_as_damage():
            yield
    except (ContractError, DamagedReleaseError) as error:
        raise DamagedReleaseError(f"the release {name} is damaged in Redis: {error}") from error


@contextmanager
def _other_types_as_damage() -> Iterator[None]:
    try:
        yield
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        raise ContractError("one of its keys is of another type") from error


def _held_counts(client: Redis, name: str, slates: Sequence[str]) -> ReleaseCounts:
    """How much Redis says that it holds, without reading it. Raises DamagedReleaseError for records without an id."""
    hashes = {
        "tracks": contract.tracks_key,
        "track_details": contract.track_details_key,
        "track_ids": contract.track_ids_key,
        "artists": contract.artists_key,
        "artist_ids": contract.artist_ids_key,
        "artist_tracks": contract.artist_tracks_key,
        "tag_tracks": contract.tag_tracks_key,
        "similar_tracks": contract.similar_tracks_key,
        "similar_artists": contract.similar_artists_key,
        "countries": contract.country_popular_key,
        "user_countries": contract.user_countries_key,
        "search": contract.search_key,
    }
    held = {what: client.hlen(key(name)) for what, key in hashes.items()}
    for item in ("track", "artist"):
        # More of them there may be: ids that another one stands for.
        if (ids := held[f"{item}_ids"]) < (records := held[f"{item}s"]):
            raise DamagedReleaseError(f"Redis has {ids:,} public {item} ids and {records:,} {item} records")
    users = {slate: client.hlen(contract.slate_key(name, slate)) for slate in slates}
    popular = len(unpacked(packed_popular(client, name), "the popular list").track_keys)
    packed = packed_trending(client, name)
    trending = len(unpacked(packed, TRENDING).track_keys) if packed is not None else 0
    return ReleaseCounts(users=users, popular=popular, trending=trending, **held)


def _require_counts(held: ReleaseCounts, expected: Mapping[str, Any]) -> None:
    """Raise DamagedReleaseError for the first number that is not the expected one."""
    found = asdict(held)
    for slate, users in expected.get("users", {}).items():
        _require_count(f"users with a list in the slate {slate}", held.users.get(slate, 0), users)
    for name, what in _COUNTED.items():
        if name in expected:
            _require_count(what, found[name], expected[name])


def _require_count(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise DamagedReleaseError(f"Redis has {found:,} {what}, {expected:,} were published")


def _read(client: Redis, stored: str, meta: ReleaseMeta, name: str, beat: Callable[[], object]) -> dict[str, int]:
    """Read all entries, from which the name follows; returns the number of different tracks in lists, per slate."""
    for _ in range(READINGS):
        with suppress(HandedOutTwiceError):
            return Reader(client, stored, beat).everything(meta, name)
    raise DamagedReleaseError("its hashes change while they are read: something else writes to them")
