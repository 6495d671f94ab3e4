"""What the content of a release makes of it: its name, its sizes, the memory it needs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from assets.publish import digest
from assets.publish.content import PopularTracks, ReleaseError, ReleaseInput, SimilarBatch, SlateBatch
from assets.publish.digest import ContentDigest
from assets.publish.known_keys import KnownKeys
from assets.publish.spool import Spool
from serving_api import contract
from serving_api.contract import NO_ANCHOR, NO_DETAILS, ContractError, ReleaseMeta

# Redis keeps a hash entry as a dictionary entry, its share of a table that may be half empty, and two
# strings with headers, each rounded up by the allocator; tests/integration/assets/publish/test_release.py measures it.
BYTES_PER_ENTRY = 110
ALLOCATOR_SLACK = 1.15


@dataclass(frozen=True)
class ReleaseCounts:
    """How much of everything is in a release; in ml.releases, by the same names."""

    users: dict[str, int]
    """Users with a list, per slate."""
    tracks: int
    track_details: int
    """Tracks with details."""
    track_ids: int
    """Public ids that lead to a track: its own, and those of tracks that were found to be this one."""
    artists: int
    artist_ids: int
    """Public ids that lead to an artist, as those of tracks do."""
    popular: int
    """Items of the popular list."""
    similar_tracks: int
    """Tracks with a list of similar ones."""
    similar_artists: int
    countries: int
    """Countries with a popular list."""
    user_countries: int
    """Users whose country the release says."""


@dataclass(frozen=True)
class Plan:
    """A release with its name and sizes, before anything is written."""

    meta: ReleaseMeta
    counts: ReleaseCounts
    popular: bytes
    estimated_bytes: int

    @property
    def release(self) -> str:
        """The release id."""
        return self.meta.release


class _Content:
    """Takes in the entries of a release: adds up their digest and their memory, and keeps them for loading."""

    def __init__(self, spool: Spool | None) -> None:
        self.estimated_bytes = 0.0
        self.digest = ContentDigest()
        self._spool = spool

    def add(self, kind: str, key: Callable[[str], str], fields: Sequence[bytes], payloads: Sequence[bytes]) -> None:
        """Add entries of the hash that `key` names of a release."""
        self.count(kind, fields, payloads)
        if self._spool is not None:
            self._spool.add(key, fields, payloads)

    def count(self, kind: str, fields: Sequence[bytes], payloads: Sequence[bytes]) -> None:
        """Add entries that are not of a hash."""
        self.digest.add(kind, fields, payloads)
        size = sum(map(len, fields)) + sum(map(len, payloads))
        self.estimated_bytes += BYTES_PER_ENTRY * len(fields) + ALLOCATOR_SLACK * size


def plan_release(release: ReleaseInput, spool: Spool | None = None) -> Plan:
    """Name a release by its content and check it, before Redis is touched; `spool` keeps its entries for loading.

    The id is `<as_of>-<first 8 hex digits of a SHA-256 over the content>`; generated_at is not content.
    Raises ReleaseError for an empty list, a track or artist key without a record, a user's country without a list, or a
    slate that nobody has.
    """
    content = _Content(spool)
    catalogue, track_details = _add_tracks(content, release)
    artists = _add_records(content, "artist", _artist_records(release))
    ids = {
        "track": len(catalogue) + _add_other_ids(content, release, "track", catalogue),
        "artist": len(artists) + _add_other_ids(content, release, "artist", artists),
    }
    similar = {
        "track": _add_similar(content, release, "track", catalogue),
        "artist": _add_similar(content, release, "artist", artists),
    }
    users = {slate: _add_slate(content, release, slate, catalogue) for slate in release.model_versions}
    popular = _packed_popular(release.popular, catalogue, "popular list")
    content.count(digest.POPULAR, [b""], [popular])
    _add_country_popular(content, release, catalogue)
    counts = ReleaseCounts(
        users=users,
        tracks=len(catalogue),
        track_details=track_details,
        track_ids=ids["track"],
        artists=len(artists),
        artist_ids=ids["artist"],
        popular=len(release.popular.track_keys),
        similar_tracks=similar["track"],
        similar_artists=similar["artist"],
        countries=len(release.country_popular),
        user_countries=_add_user_countries(content, release),
    )
    meta = ReleaseMeta(
        release=content.digest.release_name(release.as_of, release.model_versions),
        as_of=release.as_of,
        generated_at=release.generated_at,
        models=dict(release.model_versions),
        users=counts.users,
        tracks=counts.tracks,
        popular=counts.popular,
    )
    return Plan(meta, counts, popular, int(content.estimated_bytes))


_Records = Iterator[tuple[list[int], list[bytes], list[str]]]
"""Batches of keys, packed records and public ids."""

_RECORDS = {
    "track": (digest.TRACK, contract.tracks_key, digest.TRACK_ID, contract.track_ids_key),
    "artist": (digest.ARTIST, contract.artists_key, digest.ARTIST_ID, contract.artist_ids_key),
}
_SIMILAR_KEYS = {"track": contract.similar_tracks_key, "artist": contract.similar_artists_key}


def _add_tracks(content: _Content, release: ReleaseInput) -> tuple[KnownKeys, int]:
    """Add the catalogue; returns its track keys, and the number of tracks with details."""
    with_details = 0

    def records() -> _Records:
        nonlocal with_details
        for tracks in release.tracks():
            detailed = [track for track in tracks if track.details != NO_DETAILS]
            fields = [contract.track_field(track.track_key) for track in detailed]
            details = [contract.pack_details(track.details) for track in detailed]
            content.add(digest.TRACK_DETAILS, contract.track_details_key, fields, details)
            with_details += len(detailed)
            yield (
                [track.track_key for track in tracks],
                list(map(contract.pack_track, tracks)),
                [track.track_id for track in tracks],
            )

    return _add_records(content, "track", records()), with_details


def _artist_records(release: ReleaseInput) -> _Records:
    for artists in release.artists():
        yield (
            [artist.artist_key for artist in artists],
            list(map(contract.pack_artist, artists)),
            [artist.artist_id for artist in artists],
        )


def _add_records(content: _Content, item: str, records: _Records) -> KnownKeys:
    """Add records, and where they are found by public id; returns their keys. ReleaseError when one is there twice."""
    kind, records_key, id_kind, ids_key = _RECORDS[item]
    found = [np.empty(0, np.int32)]
    for keys, packed, public_ids in records:
        fields = list(map(contract.track_field, keys))
        content.add(kind, records_key, fields, packed)
        content.add(id_kind, ids_key, [public_id.encode() for public_id in public_ids], fields)
        found.append(np.array(keys, np.int32))
    catalogue, times = np.unique(np.concatenate(found), return_counts=True)
    if (times > 1).any():
        raise ReleaseError(f"the catalogue of the release has the {item} key {catalogue[times > 1][0]} twice")
    return KnownKeys(catalogue)


def _add_other_ids(content: _Content, release: ReleaseInput, item: str, catalogue: KnownKeys) -> int:
    """Add the public ids that lead to another's record; returns their number."""
    _, _, id_kind, ids_key = _RECORDS[item]
    ids = 0
    for batch in release.other_ids(item):
        _require_known(np.array([key for _, key in batch], np.int32), catalogue, f"other ids of {item}s", item)
        fields = [contract.track_field(key) for _, key in batch]
        content.add(id_kind, ids_key, [public_id.encode() for public_id, _ in batch], fields)
        ids += len(batch)
    return ids


def _packed(batch: SlateBatch | SimilarBatch, what: str) -> list[bytes]:
    try:
        return batch.packed()
    except ContractError as error:
        raise ReleaseError(f"{what} cannot be packed: {error}") from error


def _add_similar(content: _Content, release: ReleaseInput, item: str, catalogue: KnownKeys) -> int:
    """Add the lists of similar tracks or artists; returns their number."""
    lists = 0
    for batch in release.similar(item):
        packed = _packed(batch, f"the lists of similar {item}s")
        empty = np.diff(batch.offsets) == 0
        if empty.any():
            raise ReleaseError(
                f"similar {item}s: the list of the {item} key {batch.keys[int(empty.argmax())]} is empty;"
                f" leave {item}s that are like no other out"
            )
        _require_known(np.append(batch.keys, batch.similar_keys), catalogue, f"similar {item}s", item)
        fields = list(map(contract.track_field, batch.keys.tolist()))
        content.add(digest.SIMILAR[item], _SIMILAR_KEYS[item], fields, packed)
        lists += len(packed)
    return lists


def _add_slate(content: _Content, release: ReleaseInput, slate: str, catalogue: KnownKeys) -> int:
    """Add the lists of a slate; returns the number of users."""
    key = partial(contract.slate_key, slate=slate)
    users = 0
    for batch in release.batches(slate):
        packed = _packed(batch, f"the slate {slate}")
        empty = np.diff(batch.offsets) == 0
        if empty.any():
            raise ReleaseError(
                f"slate {slate}: the list of user {batch.user_ids[int(empty.argmax())]} is empty;"
                " leave users without a list out"
            )
        _require_known(batch.track_keys, catalogue, f"slate {slate}")
        if batch.anchor_keys is not None:
            _require_known(batch.anchor_keys[batch.anchor_keys != NO_ANCHOR], catalogue, f"reasons of {slate}")
        content.add(slate, key, [user_id.encode() for user_id in batch.user_ids], packed)
        users += len(packed)
    if not users:
        raise ReleaseError(f"no user has a list in the slate {slate}; run its ranker before publishing")
    return users


def _add_country_popular(content: _Content, release: ReleaseInput, catalogue: KnownKeys) -> None:
    """Add the popular lists of countries."""
    packed = []
    for country, tracks in release.country_popular.items():
        if not len(tracks.track_keys):
            raise ReleaseError(f"the popular list of {country} is empty; leave countries without one out")
        packed.append(_packed_popular(tracks, catalogue, f"popular list of {country}"))
    countries = [country.encode() for country in release.country_popular]
    content.add(digest.COUNTRY_POPULAR, contract.country_popular_key, countries, packed)


def _packed_popular(tracks: PopularTracks, catalogue: KnownKeys, what: str) -> bytes:
    _require_known(tracks.track_keys, catalogue, what)
    try:
        return contract.pack_list(tracks.track_keys, tracks.scores)
    except ContractError as error:
        raise ReleaseError(f"the {what} cannot be packed: {error}") from error


def _add_user_countries(content: _Content, release: ReleaseInput) -> int:
    """Add the countries of users without listens; returns the number of users."""
    users = 0
    for batch in release.user_countries():
        for user_id, country in batch:
            if country not in release.country_popular:
                raise ReleaseError(
                    f"the user {user_id} is of {country}, which has no popular list; leave users of such countries out"
                )
        fields = [user_id.encode() for user_id, _ in batch]
        payloads = [country.encode() for _, country in batch]
        content.add(digest.USER_COUNTRY, contract.user_countries_key, fields, payloads)
        users += len(batch)
    return users


def _require_known(keys: NDArray[np.int32], catalogue: KnownKeys, where: str, item: str = "track") -> None:
    unknown = catalogue.unknown(keys)
    if len(unknown):
        raise ReleaseError(
            f"{where}: {len(unknown)} items are not in the catalogue, such as the {item} key {unknown[0]};"
            " rebuild the lists and the catalogue from one as_of"
        )
