"""What the content of a release makes of it: its name, its sizes, the memory it needs."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from assets.publish import digest
from assets.publish.content import PopularTracks, ReleaseError, ReleaseInput, SimilarBatch, SlateBatch
from assets.publish.digest import ContentDigest
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
    country_popular: dict[bytes, bytes]
    """Packed list by country."""
    estimated_bytes: int

    @property
    def release(self) -> str:
        """The release id."""
        return self.meta.release


class _Content:
    """Adds up the entries of a release: their digest, and their memory."""

    def __init__(self) -> None:
        self.estimated_bytes = 0.0
        self.digest = ContentDigest()

    def add(self, kind: str, field: bytes, payload: bytes) -> None:
        self.digest.add(kind, field, payload)
        self.estimated_bytes += BYTES_PER_ENTRY + ALLOCATOR_SLACK * (len(field) + len(payload))


def plan_release(release: ReleaseInput) -> Plan:
    """Name a release by its content and check it, before Redis is touched.

    The id is `<as_of>-<first 8 hex digits of a SHA-256 over the content>`; generated_at is not content.
    Raises ReleaseError for an empty list, a track or artist key without a record, a user's country without a list, or a
    slate that nobody has.
    """
    content = _Content()
    catalogue, track_details = _add_tracks(content, release)
    artists = _add_artists(content, release)
    ids = {
        "track": len(catalogue) + _add_other_ids(content, release, "track", digest.TRACK_ID, catalogue),
        "artist": len(artists) + _add_other_ids(content, release, "artist", digest.ARTIST_ID, artists),
    }
    similar = {
        "track": _add_similar(content, release, "track", catalogue),
        "artist": _add_similar(content, release, "artist", artists),
    }
    users = {slate: _add_slate(content, release, slate, catalogue) for slate in release.model_versions}
    popular = _packed_popular(release.popular, catalogue, "popular list")
    content.add(digest.POPULAR, b"", popular)
    country_popular = _add_country_popular(content, release, catalogue)
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
        countries=len(country_popular),
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
    return Plan(meta, counts, popular, country_popular, int(content.estimated_bytes))


def _add_tracks(content: _Content, release: ReleaseInput) -> tuple[NDArray[np.int32], int]:
    """Add the catalogue; returns its sorted track keys, and the number of tracks with details."""
    detailed = 0

    def records() -> Iterator[tuple[int, bytes, bytes, str]]:
        nonlocal detailed
        for track in chain.from_iterable(release.tracks()):
            field = contract.track_field(track.track_key)
            if track.details != NO_DETAILS:
                detailed += 1
                content.add(digest.TRACK_DETAILS, field, contract.pack_details(track.details))
            yield track.track_key, field, contract.pack_track(track), track.track_id

    catalogue = _add_records(content, "track", digest.TRACK, digest.TRACK_ID, records())
    return catalogue, detailed


def _add_artists(content: _Content, release: ReleaseInput) -> NDArray[np.int32]:
    """Add the artists; returns their sorted keys."""
    records = (
        (artist.artist_key, contract.artist_field(artist.artist_key), contract.pack_artist(artist), artist.artist_id)
        for artists in release.artists()
        for artist in artists
    )
    return _add_records(content, "artist", digest.ARTIST, digest.ARTIST_ID, records)


def _add_records(
    content: _Content, item: str, kind: str, id_kind: str, records: Iterable[tuple[int, bytes, bytes, str]]
) -> NDArray[np.int32]:
    """Add records, each as (key, field, packed, public id), and where they are found by public id; returns the keys,
    sorted. ReleaseError when one is there twice.
    """
    keys = array("i")
    for key, field, packed, public_id in records:
        keys.append(key)
        content.add(kind, field, packed)
        content.add(id_kind, public_id.encode(), field)
    catalogue, times = np.unique(np.array(keys, np.int32), return_counts=True)
    if (times > 1).any():
        raise ReleaseError(f"the catalogue of the release has the {item} key {catalogue[times > 1][0]} twice")
    return catalogue


def _add_other_ids(
    content: _Content, release: ReleaseInput, item: str, id_kind: str, catalogue: NDArray[np.int32]
) -> int:
    """Add the public ids that lead to another's record; returns their number."""
    ids = 0
    for batch in release.other_ids(item):
        _require_known(np.array([key for _, key in batch], np.int32), catalogue, f"other ids of {item}s", item)
        for public_id, key in batch:
            content.add(id_kind, public_id.encode(), contract.track_field(key))
        ids += len(batch)
    return ids


def _packed(batch: SlateBatch | SimilarBatch, what: str) -> list[bytes]:
    try:
        return batch.packed()
    except ContractError as error:
        raise ReleaseError(f"{what} cannot be packed: {error}") from error


def _add_similar(content: _Content, release: ReleaseInput, item: str, catalogue: NDArray[np.int32]) -> int:
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
        for key, ranked in zip(batch.keys.tolist(), packed, strict=True):
            content.add(digest.SIMILAR[item], contract.track_field(key), ranked)
        lists += len(packed)
    return lists


def _add_slate(content: _Content, release: ReleaseInput, slate: str, catalogue: NDArray[np.int32]) -> int:
    """Add the lists of a slate; returns the number of users."""
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
        for user_id, ranked in zip(batch.user_ids, packed, strict=True):
            content.add(slate, user_id.encode(), ranked)
        users += len(packed)
    if not users:
        raise ReleaseError(f"no user has a list in the slate {slate}; run its ranker before publishing")
    return users


def _add_country_popular(content: _Content, release: ReleaseInput, catalogue: NDArray[np.int32]) -> dict[bytes, bytes]:
    """Add the popular lists of countries; returns them packed."""
    lists = {}
    for country, tracks in release.country_popular.items():
        if not len(tracks.track_keys):
            raise ReleaseError(f"the popular list of {country} is empty; leave countries without one out")
        packed = _packed_popular(tracks, catalogue, f"popular list of {country}")
        content.add(digest.COUNTRY_POPULAR, country.encode(), packed)
        lists[country.encode()] = packed
    return lists


def _packed_popular(tracks: PopularTracks, catalogue: NDArray[np.int32], what: str) -> bytes:
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
            content.add(digest.USER_COUNTRY, user_id.encode(), country.encode())
        users += len(batch)
    return users


def _require_known(keys: NDArray[np.int32], catalogue: NDArray[np.int32], where: str, item: str = "track") -> None:
    unknown = keys[~np.isin(keys, catalogue)]
    if len(unknown):
        raise ReleaseError(
            f"{where}: {len(unknown)} items are not in the catalogue, such as the {item} key {unknown[0]};"
            " rebuild the lists and the catalogue from one as_of"
        )
