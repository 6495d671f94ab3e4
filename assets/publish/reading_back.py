"""Reads the entries of a release back from Redis, one part after the other, and adds up their digest."""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from redis import Redis

from assets.publish import digest
from assets.publish.connections import scanned
from assets.publish.content import ReleaseError
from assets.publish.digest import ContentDigest
from assets.publish.known_keys import KnownKeys
from serving_api import contract
from serving_api.contract import ContractError, ListedKeys, RankedList, ReleaseMeta

ENTRIES_PER_READ = 1000
TRENDING = "the list of what is trending"

Keys = NDArray[np.int32]


class DamagedReleaseError(ReleaseError):
    """What Redis holds of a release is not what was published."""


class HandedOutTwiceError(Exception):
    """Redis handed out more entries of a hash than it has, as it does where it makes a hash smaller meanwhile."""


def packed_popular(client: Redis, name: str) -> bytes:
    return cast(bytes, client.get(contract.popular_key(name)) or b"")


def packed_trending(client: Redis, name: str) -> bytes | None:
    """None in a release that was published before there was such a list."""
    return cast(bytes | None, client.get(contract.trending_key(name)))


class Reader:
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
        of_tracks, of_artists = ("track", tracks), ("artist", artists)
        self.lists(digest.SIMILAR["track"], contract.similar_tracks_key, of_tracks, of_tracks)
        self.lists(digest.SIMILAR["artist"], contract.similar_artists_key, of_artists, of_artists)
        self.lists(digest.ARTIST_TRACKS, contract.artist_tracks_key, of_artists, of_tracks)
        self.tags(tracks)
        self.popular(tracks)
        self.trending(tracks)
        self.countries(tracks)
        self.search()
        distinct_tracks = {slate: self.slate(slate, tracks) for slate in meta.slates}
        if self.digest.release_name(meta.as_of, meta.models, meta.held) != name:
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

    def lists(
        self, kind: str, key: Callable[[str], str], owners: tuple[str, KnownKeys], listed: tuple[str, KnownKeys]
    ) -> None:
        """Read the lists that belong to tracks or artists."""
        what = f"the {kind} list of the {owners[0]} key"
        for fields, packed in self._entries(kind, key(self._name)):
            having = _keys(fields)
            _require_known(having, owners[1], f"{kind} lists", owners[0])
            found = _listed(packed, what, having.tolist())
            _require_known(found.track_keys, listed[1], f"{kind} lists", listed[0])

    def tags(self, tracks: KnownKeys) -> None:
        """Read the lists of tags."""
        for tags, packed in self._entries(digest.TAG_TRACKS, contract.tag_tracks_key(self._name)):
            _require_known(_listed(packed, "the list of the tag", tags).track_keys, tracks, "tracks of tags")

    def trending(self, tracks: KnownKeys) -> None:
        """Read the list of what is trending."""
        packed = packed_trending(self._client, self._name)
        if packed is not None:
            self.digest.add(digest.TRENDING, [b""], [packed])
            _require_known(unpacked(packed, TRENDING).track_keys, tracks, TRENDING)

    def popular(self, tracks: KnownKeys) -> None:
        """Read the popular list."""
        packed = packed_popular(self._client, self._name)
        self.digest.add(digest.POPULAR, [b""], [packed])
        _require_known(unpacked(packed, "the popular list").track_keys, tracks, "popular list")

    def countries(self, tracks: KnownKeys) -> None:
        """Read the popular lists of countries, and the countries of users, which all have a list."""
        countries: set[bytes] = set()
        for names, lists in self._entries(digest.COUNTRY_POPULAR, contract.country_popular_key(self._name)):
            for country, packed in zip(names, lists, strict=True):
                what = f"the popular list of {_text(country)}"
                _require_known(unpacked(packed, what).track_keys, tracks, what)
            countries.update(names)
        for _, named in self._entries(digest.USER_COUNTRY, contract.user_countries_key(self._name)):
            if unknown := set(named) - countries:
                raise DamagedReleaseError(f"a user is of {_text(min(unknown))}, which has no popular list")

    def search(self) -> None:
        """Read the search index, where there is one: field by field, for each of them is megabytes."""
        key = contract.search_key(self._name)
        for field in cast(list[bytes], self._client.hkeys(key)):
            value = cast(bytes, self._client.hget(key, cast(str, field)) or b"")
            if field == contract.SEARCH_DESCRIPTION_FIELD:
                contract.unpack_search_description(value)
            self.digest.add(digest.SEARCH, [field], [value])
            self._beat()

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

        Raises HandedOutTwiceError after the last one where they hold an entry twice. None of them is missing in them,
        so their number tells, and what was read need not be kept.
        """
        handed_out = 0
        for fields, payloads in scanned(self._client, key, ENTRIES_PER_READ):
            handed_out += len(fields)
            self.digest.add(kind, fields, payloads)
            yield fields, payloads
            self._beat()
        if handed_out > self._client.hlen(key):
            raise HandedOutTwiceError


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
            unpacked(each, f"{what} {_text(owner) if isinstance(owner, bytes) else owner}")
        raise


def unpacked(packed: bytes, what: str) -> RankedList:
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
