"""Reads a release back from Redis, all of it: whether it is what was published, before it goes live and ever after.

Its name follows from its content, so nothing but Redis is needed to tell. What was published, where that is known, says
in addition what is missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from redis import Redis
from redis.exceptions import ResponseError

from assets.publish import digest
from assets.publish.content import ReleaseError
from assets.publish.digest import ContentDigest
from assets.publish.plan import ReleaseCounts
from serving_api import contract
from serving_api.contract import NO_ANCHOR, ContractError, RankedList, ReleaseMeta

ENTRIES_PER_READ = 1000

Keys = NDArray[np.int32]

_COUNTED = {
    "tracks": "track records",
    "track_details": "tracks with details",
    "track_ids": "public track ids",
    "artists": "artist records",
    "artist_ids": "public artist ids",
    "popular": "popular tracks",
    "similar_tracks": "lists of similar tracks",
    "similar_artists": "lists of similar artists",
    "countries": "popular lists of countries",
    "user_countries": "users with a country",
}


class DamagedReleaseError(ReleaseError):
    """What Redis holds of a release is not what was published."""


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
        found = _Reader(client, stored, beat)
        tracks = found.records(digest.TRACK, contract.tracks_key, contract.unpack_track)
        found.details(tracks)
        found.public_ids(digest.TRACK_ID, contract.track_ids_key, tracks, "track")
        artists = found.records(digest.ARTIST, contract.artists_key, contract.unpack_artist)
        found.public_ids(digest.ARTIST_ID, contract.artist_ids_key, artists, "artist")
        found.similar("track", contract.similar_tracks_key, tracks)
        found.similar("artist", contract.similar_artists_key, artists)
        found.popular(tracks)
        found.countries(tracks)
        distinct_tracks = {slate: found.slate(slate, tracks) for slate in meta.slates}
        if found.digest.release_name(meta.as_of, meta.models) != name:
            raise DamagedReleaseError("its content is not the one that was published: entries were lost or changed")
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
        "similar_tracks": contract.similar_tracks_key,
        "similar_artists": contract.similar_artists_key,
        "countries": contract.country_popular_key,
        "user_countries": contract.user_countries_key,
    }
    held = {what: client.hlen(key(name)) for what, key in hashes.items()}
    for item in ("track", "artist"):
        # More of them there may be: ids that another one stands for.
        if (ids := held[f"{item}_ids"]) < (records := held[f"{item}s"]):
            raise DamagedReleaseError(f"Redis has {ids:,} public {item} ids and {records:,} {item} records")
    users = {slate: client.hlen(contract.slate_key(name, slate)) for slate in slates}
    popular = _unpacked(_packed_popular(client, name), "the popular list")
    return ReleaseCounts(users=users, popular=len(popular.track_keys), **held)


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


def _packed_popular(client: Redis, name: str) -> bytes:
    return cast(bytes, client.get(contract.popular_key(name)) or b"")


class _Reader:
    """Reads the parts of a release one after the other, and adds them to its digest."""

    def __init__(self, client: Redis, name: str, beat: Callable[[], object]) -> None:
        self.digest = ContentDigest()
        self._client = client
        self._name = name
        self._beat = beat

    def records(self, kind: str, key: Callable[[str], str], unpack: Callable[[bytes, bytes], object]) -> Keys:
        """The sorted keys of all records, which all can be read."""
        keys: list[int] = []
        for chunk in self._entries(kind, key(self._name)):
            for field, record in chunk:
                keys.append(_key(field))
                unpack(field, record)
        return np.sort(np.array(keys, np.int32))

    def details(self, tracks: Keys) -> None:
        """Read what else is known of tracks, which all have a record."""
        for chunk in self._entries(digest.TRACK_DETAILS, contract.track_details_key(self._name)):
            _require_known(np.array([_key(field) for field, _ in chunk], np.int32), tracks, "details of tracks")
            for field, packed in chunk:
                contract.unpack_details(field, packed)

    def public_ids(self, kind: str, key: Callable[[str], str], records: Keys, item: str) -> None:
        """Read the public ids, which all stand for a record."""
        for chunk in self._entries(kind, key(self._name)):
            _require_known(np.array([_key(field) for _, field in chunk], np.int32), records, f"public {item} ids", item)

    def similar(self, item: str, key: Callable[[str], str], records: Keys) -> None:
        """Read the lists of similar tracks or artists."""
        what = f"similar {item}s"
        for chunk in self._entries(digest.SIMILAR[item], key(self._name)):
            having = np.array([_key(field) for field, _ in chunk], np.int32)
            listed = [_unpacked(packed, f"{what} of the {item} key {_key(field)}") for field, packed in chunk]
            _require_known(np.concatenate([having, *(ranked.track_keys for ranked in listed)]), records, what, item)

    def popular(self, tracks: Keys) -> None:
        """Read the popular list."""
        packed = _packed_popular(self._client, self._name)
        self.digest.add(digest.POPULAR, b"", packed)
        _require_known(_unpacked(packed, "the popular list").track_keys, tracks, "popular list")

    def countries(self, tracks: Keys) -> None:
        """Read the popular lists of countries, and the countries of users, which all have a list."""
        countries: set[bytes] = set()
        for chunk in self._entries(digest.COUNTRY_POPULAR, contract.country_popular_key(self._name)):
            for country, packed in chunk:
                what = f"the popular list of {_text(country)}"
                _require_known(_unpacked(packed, what).track_keys, tracks, what)
                countries.add(country)
        for chunk in self._entries(digest.USER_COUNTRY, contract.user_countries_key(self._name)):
            if unknown := {country for _, country in chunk} - countries:
                raise DamagedReleaseError(f"a user is of {_text(min(unknown))}, which has no popular list")

    def slate(self, slate: str, tracks: Keys) -> int:
        """Read the lists of a slate; returns the number of different tracks in them."""
        distinct = np.empty(0, np.int32)
        for chunk in self._entries(slate, contract.slate_key(self._name, slate)):
            lists = [_unpacked(packed, f"the {slate} list of the user {_text(user)}") for user, packed in chunk]
            listed = np.concatenate([ranked.track_keys for ranked in lists])
            anchors = np.concatenate([ranked.anchor_keys for ranked in lists])
            _require_known(np.append(listed, anchors[anchors != NO_ANCHOR]), tracks, f"slate {slate}")
            distinct = np.union1d(distinct, listed)
        return len(distinct)

    def _entries(self, kind: str, key: str) -> Iterator[list[tuple[bytes, bytes]]]:
        """The entries of a hash in chunks, each entry once."""
        # A hash that Redis is rehashing may hand out an entry twice, which a digest must not take for two.
        seen: set[bytes] = set()
        cursor = -1
        while cursor != 0:
            cursor, entries = cast(
                tuple[int, dict[bytes, bytes]], self._client.hscan(key, max(cursor, 0), count=ENTRIES_PER_READ)
            )
            if chunk := [(field, payload) for field, payload in entries.items() if field not in seen]:
                seen.update(field for field, _ in chunk)
                for field, payload in chunk:
                    self.digest.add(kind, field, payload)
                yield chunk
            self._beat()


def _key(field: bytes) -> int:
    if len(field) != contract.TRACK_FIELD.size:
        raise DamagedReleaseError(f"{field!r} is not the field of a track or an artist")
    return contract.track_key(field)


def _unpacked(packed: bytes, what: str) -> RankedList:
    try:
        return contract.unpack_list(packed)
    except ContractError as error:
        raise DamagedReleaseError(f"{what} cannot be read: {error}") from error


def _text(field: bytes) -> str:
    return field.decode(errors="replace")


def _require_known(keys: Keys, records: Keys, where: str, item: str = "track") -> None:
    unknown = keys[~np.isin(keys, records)]
    if len(unknown):
        raise DamagedReleaseError(f"{where}: the {item} key {unknown[0]} has no record in Redis")
