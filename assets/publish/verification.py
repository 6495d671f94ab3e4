"""Reads a release back from Redis, all of it: whether it is what was published, before it goes live and ever after.

Its name follows from its content, so nothing but Redis is needed to tell. What was published, where that is known, says
in addition what is missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from redis import Redis
from redis.exceptions import ResponseError

from assets.publish import digest
from assets.publish.connections import scanned
from assets.publish.content import ReleaseError
from assets.publish.digest import ContentDigest
from assets.publish.known_keys import KnownKeys
from assets.publish.plan import ReleaseCounts
from serving_api import contract
from serving_api.contract import ContractError, ListedKeys, RankedList, ReleaseMeta

ENTRIES_PER_READ = 1000
READINGS = 3

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


def _read(client: Redis, stored: str, meta: ReleaseMeta, name: str, beat: Callable[[], object]) -> dict[str, int]:
    """Read all entries, from which the name follows; returns the number of different tracks in lists, per slate."""
    for _ in range(READINGS):
        with suppress(_HandedOutTwiceError):
            return _Reader(client, stored, beat).everything(meta, name)
    raise DamagedReleaseError("its hashes change while they are read: something else writes to them")


class _HandedOutTwiceError(Exception):
    """Redis handed out more entries of a hash than it has, as it does where it makes a hash smaller meanwhile."""


class _Reader:
    """Reads the parts of a release one after the other, and adds them to its digest."""

    def __init__(self, client: Redis, name: str, beat: Callable[[], object]) -> None:
        self.digest = ContentDigest()
        self._client = client
        self._name = name
        self._beat = beat

    def everything(self, meta: ReleaseMeta, name: str) -> dict[str, int]:
        """Read all entries; returns the number of different tracks in the lists, per slate."""
        tracks = self.records(digest.TRACK, contract.tracks_key, contract.unpack_track)
        self.details(tracks)
        self.public_ids(digest.TRACK_ID, contract.track_ids_key, tracks, "track")
        artists = self.records(digest.ARTIST, contract.artists_key, contract.unpack_artist)
        self.public_ids(digest.ARTIST_ID, contract.artist_ids_key, artists, "artist")
        self.similar("track", contract.similar_tracks_key, tracks)
        self.similar("artist", contract.similar_artists_key, artists)
        self.popular(tracks)
        self.countries(tracks)
        distinct_tracks = {slate: self.slate(slate, tracks) for slate in meta.slates}
        if self.digest.release_name(meta.as_of, meta.models) != name:
            raise DamagedReleaseError("its content is not the one that was published: entries were lost or changed")
        return distinct_tracks

    def records(self, kind: str, key: Callable[[str], str], unpack: Callable[[bytes, bytes], object]) -> KnownKeys:
        """The keys of all records, which all can be read."""
        keys = [np.empty(0, np.int32)]
        for fields, records in self._entries(kind, key(self._name)):
            keys.append(_keys(fields))
            for field, record in zip(fields, records, strict=True):
                unpack(field, record)
        return KnownKeys(np.concatenate(keys))

    def details(self, tracks: KnownKeys) -> None:
        """Read what else is known of tracks, which all have a record."""
        for fields, details in self._entries(digest.TRACK_DETAILS, contract.track_details_key(self._name)):
            _require_known(_keys(fields), tracks, "details of tracks")
            for field, packed in zip(fields, details, strict=True):
                contract.unpack_details(field, packed)

    def public_ids(self, kind: str, key: Callable[[str], str], records: KnownKeys, item: str) -> None:
        """Read the public ids, which all stand for a record."""
        for _, led_to in self._entries(kind, key(self._name)):
            _require_known(_keys(led_to), records, f"public {item} ids", item)

    def similar(self, item: str, key: Callable[[str], str], records: KnownKeys) -> None:
        """Read the lists of similar tracks or artists."""
        what = f"similar {item}s"
        for fields, packed in self._entries(digest.SIMILAR[item], key(self._name)):
            having = _keys(fields)
            listed = _listed(packed, f"{what} of the {item} key", having.tolist())
            _require_known(np.append(having, listed.track_keys), records, what, item)

    def popular(self, tracks: KnownKeys) -> None:
        """Read the popular list."""
        packed = _packed_popular(self._client, self._name)
        self.digest.add(digest.POPULAR, [b""], [packed])
        _require_known(_unpacked(packed, "the popular list").track_keys, tracks, "popular list")

    def countries(self, tracks: KnownKeys) -> None:
        """Read the popular lists of countries, and the countries of users, which all have a list."""
        countries: set[bytes] = set()
        for names, lists in self._entries(digest.COUNTRY_POPULAR, contract.country_popular_key(self._name)):
            for country, packed in zip(names, lists, strict=True):
                what = f"the popular list of {_text(country)}"
                _require_known(_unpacked(packed, what).track_keys, tracks, what)
            countries.update(names)
        for _, named in self._entries(digest.USER_COUNTRY, contract.user_countries_key(self._name)):
            if unknown := set(named) - countries:
                raise DamagedReleaseError(f"a user is of {_text(min(unknown))}, which has no popular list")

    def slate(self, slate: str, tracks: KnownKeys) -> int:
        """Read the lists of a slate; returns the number of different tracks in them."""
        met = tracks.none_met()
        for users, packed in self._entries(slate, contract.slate_key(self._name, slate)):
            listed = _listed(packed, f"the {slate} list of the user", users)
            for keys in listed:
                _require_known(keys, tracks, f"slate {slate}")
            tracks.meet(met, listed.track_keys)
        return int(met.sum())

    def _entries(self, kind: str, key: str) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """The fields and the payloads of a hash in chunks.

        Raises _HandedOutTwiceError after the last one where they hold an entry twice. None of them is missing in them,
        so their number tells, and what was read need not be kept.
        """
        handed_out = 0
        for fields, payloads in scanned(self._client, key, ENTRIES_PER_READ):
            handed_out += len(fields)
            self.digest.add(kind, fields, payloads)
            yield fields, payloads
            self._beat()
        if handed_out > self._client.hlen(key):
            raise _HandedOutTwiceError


def _keys(fields: list[bytes]) -> Keys:
    """The keys that fields of tracks or artists stand for."""
    if other := next((field for field in fields if len(field) != contract.TRACK_FIELD.size), None):
        raise DamagedReleaseError(f"{other!r} is not the field of a track or an artist")
    return np.frombuffer(b"".join(fields), ">i4").astype(np.int32)


def _listed(packed: list[bytes], what: str, whose: Sequence[bytes | int]) -> ListedKeys:
    """The keys in many lists; one that cannot be read is named by what it is and whose."""
    try:
        return contract.unpack_keys(packed)
    except ContractError:
        for owner, each in zip(whose, packed, strict=True):
            _unpacked(each, f"{what} {_text(owner) if isinstance(owner, bytes) else owner}")
        raise


def _unpacked(packed: bytes, what: str) -> RankedList:
    try:
        return contract.unpack_list(packed)
    except ContractError as error:
        raise DamagedReleaseError(f"{what} cannot be read: {error}") from error


def _text(field: bytes) -> str:
    return field.decode(errors="replace")


def _require_known(keys: Keys, records: KnownKeys, where: str, item: str = "track") -> None:
    unknown = records.unknown(keys)
    if len(unknown):
        raise DamagedReleaseError(f"{where}: the {item} key {unknown[0]} has no record in Redis")
