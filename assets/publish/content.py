"""What goes into a release, and what that makes of it: its id, its sizes, the memory it needs."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from serving_api import contract
from serving_api.contract import NO_SEED, Artist, ContractError, ReleaseMeta, Track
from warehouse.errors import AudoticsError

# Redis keeps a hash entry as a dictionary entry, its share of a table that may be half empty, and two
# strings with headers, each rounded up by the allocator; tests/integration/test_release.py measures it.
BYTES_PER_ENTRY = 110
ALLOCATOR_SLACK = 1.15


class ReleaseError(AudoticsError):
    """A release that cannot be published, listed or rolled back."""


@dataclass(frozen=True)
class SlateBatch:
    """The lists of some users: list i belongs to user_ids[i] and is the slice offsets[i]:offsets[i + 1].

    `offsets` has shape (users + 1,); the other arrays have shape (n,), best first within each list. Users
    without a list are left out. `seed_keys` holds the listened-to track behind each item, -1 for none.
    """

    user_ids: Sequence[str]
    offsets: NDArray[np.int64]
    track_keys: NDArray[np.int32]
    scores: NDArray[np.float32]
    seed_keys: NDArray[np.int32] | None = None

    def packed(self) -> list[bytes]:
        """The lists as the contract stores them. Raises ContractError."""
        if len(self.offsets) != len(self.user_ids) + 1:
            raise ContractError(f"{len(self.user_ids)} users come with {len(self.offsets)} offsets")
        return contract.pack_lists(self.offsets, self.track_keys, self.scores, self.seed_keys)


@dataclass(frozen=True)
class SimilarBatch:
    """What is like some tracks or artists: list i belongs to keys[i] and is the slice offsets[i]:offsets[i + 1].

    `keys` has shape (lists,), `offsets` (lists + 1,); the other arrays have shape (n,), best first within each list.
    """

    keys: NDArray[np.int32]
    offsets: NDArray[np.int64]
    similar_keys: NDArray[np.int32]
    scores: NDArray[np.float32]

    def packed(self) -> list[bytes]:
        """The lists as the contract stores them. Raises ContractError."""
        if len(self.offsets) != len(self.keys) + 1:
            raise ContractError(f"{len(self.keys)} similar lists come with {len(self.offsets)} offsets")
        return contract.pack_lists(self.offsets, self.similar_keys, self.scores)


class PopularTracks(NamedTuple):
    """What is popular somewhere, best first. Both arrays have shape (n,)."""

    track_keys: NDArray[np.int32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class ReleaseInput:
    """The content of a release.

    `batches` (by slate), `tracks`, `artists`, `similar` (by kind of item) and `user_countries` are called twice, to
    name the release and to load it, and must yield the same content each time; only one batch is held in memory at
    once, and their order does not matter.
    """

    as_of: date
    generated_at: datetime
    model_versions: Mapping[str, str]
    """Model version per slate; its keys are the slates of the release."""
    batches: Callable[[str], Iterator[SlateBatch]]
    tracks: Callable[[], Iterator[Sequence[Track]]]
    """The catalogue: at least every track of any list, and every seed."""
    artists: Callable[[], Iterator[Sequence[Artist]]]
    """At least every artist of any similar list."""
    similar: Callable[[str], Iterator[SimilarBatch]]
    """Of `track` and of `artist`; those that are like no other are left out."""
    popular: PopularTracks
    """What is popular overall."""
    country_popular: Mapping[str, PopularTracks]
    """By country, of those that have a list; empty where profiles name none."""
    user_countries: Callable[[], Iterator[Sequence[tuple[str, str]]]]
    """User id and country of users without listens; each country has a list."""
    expected_users: Mapping[str, int]
    """Users per slate who should have a list; coverage is measured against it."""


@dataclass(frozen=True)
class Plan:
    """A release with its name and sizes, before anything is written."""

    meta: ReleaseMeta
    popular: bytes
    country_popular: dict[bytes, bytes]
    """Packed list by country."""
    user_countries: int
    """Number of users whose country the release says."""
    estimated_bytes: int
    artists: int
    """Number of artist records."""
    similar: dict[str, int]
    """Number of similar lists, of `track` and of `artist`."""

    @property
    def release(self) -> str:
        """The release id."""
        return self.meta.release


class _Content:
    """Adds up the entries of a release: a digest that does not depend on their order, and their memory."""

    def __init__(self) -> None:
        self.estimated_bytes = 0.0
        self._sum = 0

    def add(self, kind: str, field: bytes, payload: bytes) -> None:
        entry = hashlib.sha256(b"%s %d %s" % (kind.encode(), len(field), field))
        entry.update(payload)
        self._sum = (self._sum + int.from_bytes(entry.digest())) % (1 << 256)
        self.estimated_bytes += BYTES_PER_ENTRY + ALLOCATOR_SLACK * (len(field) + len(payload))

    def digest(self, header: bytes) -> str:
        return hashlib.sha256(header + self._sum.to_bytes(32)).hexdigest()


def plan_release(release: ReleaseInput) -> Plan:
    """Name a release by its content and check it, before Redis is touched.

    The id is `<as_of>-<first 8 hex digits of a SHA-256 over the content>`; generated_at is not content.
    Raises ReleaseError for an empty list, a track or artist key without a record, a user's country without a list, or a
    slate that nobody has.
    """
    content = _Content()
    catalogue = _add_tracks(content, release)
    artists = _add_artists(content, release)
    similar = {
        "track": _add_similar(content, release, "track", catalogue),
        "artist": _add_similar(content, release, "artist", artists),
    }
    users = {slate: _add_slate(content, release, slate, catalogue) for slate in release.model_versions}
    popular = _packed_popular(release.popular, catalogue, "popular list")
    content.add("popular", b"", popular)
    country_popular = {
        country.encode(): _packed_popular(tracks, catalogue, f"popular list of {country}")
        for country, tracks in release.country_popular.items()
    }
    for country, packed in country_popular.items():
        content.add("country-popular", country, packed)
    user_countries = _add_user_countries(content, release)
    header = [contract.CONTRACT_VERSION, release.as_of, sorted(release.model_versions.items())]
    meta = ReleaseMeta(
        release=f"{release.as_of.isoformat()}-{content.digest(orjson.dumps(header))[:8]}",
        as_of=release.as_of,
        generated_at=release.generated_at,
        models=dict(release.model_versions),
        users=users,
        tracks=len(catalogue),
        popular=len(release.popular.track_keys),
    )
    return Plan(
        meta=meta,
        popular=popular,
        country_popular=country_popular,
        user_countries=user_countries,
        estimated_bytes=int(content.estimated_bytes),
        artists=len(artists),
        similar=similar,
    )


def _add_tracks(content: _Content, release: ReleaseInput) -> NDArray[np.int32]:
    """Add the catalogue; returns its sorted track keys."""
    keys = [np.empty(0, np.int32)]
    for tracks in release.tracks():
        keys.append(np.array([track.track_key for track in tracks], np.int32))
        for track in tracks:
            field = contract.track_field(track.track_key)
            content.add("track", field, contract.pack_track(track))
            content.add("track-id", track.track_id.encode(), field)
    return _each_once(keys, "track")


def _add_artists(content: _Content, release: ReleaseInput) -> NDArray[np.int32]:
    """Add the artists; returns their sorted keys."""
    keys = [np.empty(0, np.int32)]
    for artists in release.artists():
        keys.append(np.array([artist.artist_key for artist in artists], np.int32))
        for artist in artists:
            field = contract.artist_field(artist.artist_key)
            content.add("artist", field, contract.pack_artist(artist))
            content.add("artist-id", artist.artist_id.encode(), field)
    return _each_once(keys, "artist")


def _each_once(keys: Sequence[NDArray[np.int32]], item: str) -> NDArray[np.int32]:
    """The keys of all batches, sorted; ReleaseError when one is there twice."""
    catalogue, times = np.unique(np.concatenate(keys), return_counts=True)
    if (times > 1).any():
        raise ReleaseError(f"the catalogue of the release has the {item} key {catalogue[times > 1][0]} twice")
    return catalogue


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
            content.add(f"similar-{item}", contract.track_field(key), ranked)
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
        if batch.seed_keys is not None:
            _require_known(batch.seed_keys[batch.seed_keys != NO_SEED], catalogue, f"reasons of {slate}")
        for user_id, ranked in zip(batch.user_ids, packed, strict=True):
            content.add(slate, user_id.encode(), ranked)
        users += len(packed)
    if not users:
        raise ReleaseError(f"no user has a list in the slate {slate}; run its ranker before publishing")
    return users


def _packed_popular(tracks: PopularTracks, catalogue: NDArray[np.int32], what: str) -> bytes:
    if not len(tracks.track_keys):
        raise ReleaseError(f"the {what} is empty, so users without a list would get nothing")
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
            content.add("user-country", user_id.encode(), country.encode())
        users += len(batch)
    return users


def _require_known(keys: NDArray[np.int32], catalogue: NDArray[np.int32], where: str, item: str = "track") -> None:
    unknown = keys[~np.isin(keys, catalogue)]
    if len(unknown):
        raise ReleaseError(
            f"{where}: {len(unknown)} items are not in the catalogue, such as the {item} key {unknown[0]};"
            " rebuild the lists and the catalogue from one as_of"
        )
