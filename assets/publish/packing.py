"""Packs what goes into a release as the entries of its hashes, and checks it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from assets.publish import digest
from assets.publish.content import PopularTracks, ReleaseError, ReleaseInput, SimilarBatch, SlateBatch, TagBatch
from assets.publish.digest import ContentDigest
from assets.publish.known_keys import KnownKeys
from assets.publish.spool import Spool
from serving_api import contract
from serving_api.contract import NO_ANCHOR, NO_DETAILS, ContractError

# Redis keeps a hash entry as a dictionary entry, its share of a table that may be half empty, and two
# strings with headers, each rounded up by the allocator; tests/integration/assets/publish/test_release.py measures it.
BYTES_PER_ENTRY = 110
ALLOCATOR_SLACK = 1.15


class Content:
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


_Records = Iterator[tuple[list[int], list[bytes], list[str]]]
"""Batches of keys, packed records and public ids."""

_RECORDS = {
    "track": (digest.TRACK, contract.tracks_key, digest.TRACK_ID, contract.track_ids_key),
    "artist": (digest.ARTIST, contract.artists_key, digest.ARTIST_ID, contract.artist_ids_key),
}
_SIMILAR_KEYS = {"track": contract.similar_tracks_key, "artist": contract.similar_artists_key}


def add_tracks(content: Content, release: ReleaseInput) -> tuple[KnownKeys, int]:
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

    return add_records(content, "track", records()), with_details


def artist_records(release: ReleaseInput) -> _Records:
    for artists in release.artists():
        yield (
            [artist.artist_key for artist in artists],
            list(map(contract.pack_artist, artists)),
            [artist.artist_id for artist in artists],
        )


def add_records(content: Content, item: str, records: _Records) -> KnownKeys:
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


def add_other_ids(content: Content, release: ReleaseInput, item: str, catalogue: KnownKeys) -> int:
    """Add the public ids that lead to another's record; returns their number."""
    _, _, id_kind, ids_key = _RECORDS[item]
    ids = 0
    for batch in release.other_ids(item):
        _require_known(np.array([key for _, key in batch], np.int32), catalogue, f"other ids of {item}s", item)
        fields = [contract.track_field(key) for _, key in batch]
        content.add(id_kind, ids_key, [public_id.encode() for public_id, _ in batch], fields)
        ids += len(batch)
    return ids


def _packed(batch: SlateBatch | SimilarBatch | TagBatch, what: str) -> list[bytes]:
    try:
        return batch.packed()
    except ContractError as error:
        raise ReleaseError(f"{what} cannot be packed: {error}") from error


def add_similar(content: Content, release: ReleaseInput, item: str, catalogue: KnownKeys) -> int:
    """Add the lists of similar tracks or artists; returns their number."""
    return add_lists(
        content,
        release.similar(item),
        (digest.SIMILAR[item], _SIMILAR_KEYS[item]),
        (item, catalogue),
        (item, catalogue),
        f"similar {item}s",
    )


def add_lists(
    content: Content,
    batches: Iterator[SimilarBatch],
    stored: tuple[str, Callable[[str], str]],
    owners: tuple[str, KnownKeys],
    listed: tuple[str, KnownKeys],
    what: str,
) -> int:
    """Add lists that belong to tracks or artists, as entries of a kind and a hash; returns their number."""
    lists = 0
    for batch in batches:
        packed = _packed(batch, f"the lists of {what}")
        empty = np.diff(batch.offsets) == 0
        if empty.any():
            raise ReleaseError(
                f"{what}: the list of the {owners[0]} key {batch.keys[int(empty.argmax())]} is empty;"
                f" leave {owners[0]}s that have none out"
            )
        _require_known(batch.keys, owners[1], what, owners[0])
        _require_known(batch.similar_keys, listed[1], what, listed[0])
        content.add(*stored, list(map(contract.track_field, batch.keys.tolist())), packed)
        lists += len(packed)
    return lists


def add_slate(content: Content, release: ReleaseInput, slate: str, catalogue: KnownKeys) -> int:
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


def add_artist_tracks(content: Content, release: ReleaseInput, artists: KnownKeys, catalogue: KnownKeys) -> int:
    """Add the lists of artists' tracks; returns their number."""
    return add_lists(
        content,
        release.artist_tracks(),
        (digest.ARTIST_TRACKS, contract.artist_tracks_key),
        ("artist", artists),
        ("track", catalogue),
        "tracks of artists",
    )


def add_tag_tracks(content: Content, release: ReleaseInput, catalogue: KnownKeys) -> int:
    """Add the lists of tags' tracks; returns their number."""
    tags = 0
    for batch in release.tag_tracks():
        packed = _packed(batch, "the lists of tags")
        empty = np.diff(batch.offsets) == 0
        if empty.any():
            raise ReleaseError(f"the list of the tag {batch.tags[int(empty.argmax())]} is empty; leave such tags out")
        _require_known(batch.track_keys, catalogue, "tracks of tags")
        content.add(digest.TAG_TRACKS, contract.tag_tracks_key, [tag.encode() for tag in batch.tags], packed)
        tags += len(packed)
    return tags


def add_public_lists(
    content: Content, release: ReleaseInput, catalogue: KnownKeys
) -> dict[Callable[[str], str], bytes]:
    """Add what is popular, trending, and popular in countries; returns the lists that have a key of their own."""
    popular = packed_popular(release.popular, catalogue, "popular list")
    content.count(digest.POPULAR, [b""], [popular])
    trending = packed_popular(release.trending, catalogue, "list of what is trending")
    content.count(digest.TRENDING, [b""], [trending])
    add_country_popular(content, release, catalogue)
    return {contract.popular_key: popular, contract.trending_key: trending}


def add_country_popular(content: Content, release: ReleaseInput, catalogue: KnownKeys) -> None:
    """Add the popular lists of countries."""
    packed = []
    for country, tracks in release.country_popular.items():
        if not len(tracks.track_keys):
            raise ReleaseError(f"the popular list of {country} is empty; leave countries without one out")
        packed.append(packed_popular(tracks, catalogue, f"popular list of {country}"))
    countries = [country.encode() for country in release.country_popular]
    content.add(digest.COUNTRY_POPULAR, contract.country_popular_key, countries, packed)


def packed_popular(tracks: PopularTracks, catalogue: KnownKeys, what: str) -> bytes:
    _require_known(tracks.track_keys, catalogue, what)
    try:
        return contract.pack_list(tracks.track_keys, tracks.scores)
    except ContractError as error:
        raise ReleaseError(f"the {what} cannot be packed: {error}") from error


def add_user_countries(content: Content, release: ReleaseInput) -> int:
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


def add_search(content: Content, release: ReleaseInput) -> int:
    """Add the search index; returns the number of its fields."""
    fields = 0
    for field, part in release.search():
        content.add(digest.SEARCH, contract.search_key, [field], [part])
        fields += 1
    return fields


def _require_known(keys: NDArray[np.int32], catalogue: KnownKeys, where: str, item: str = "track") -> None:
    unknown = catalogue.unknown(keys)
    if len(unknown):
        raise ReleaseError(
            f"{where}: {len(unknown)} items are not in the catalogue, such as the {item} key {unknown[0]};"
            " rebuild the lists and the catalogue from one as_of"
        )
