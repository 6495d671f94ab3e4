"""What goes into a release, and what that makes of it: its id, its sizes, the memory it needs."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import orjson
from numpy.typing import NDArray

from serving_api import contract
from serving_api.contract import NO_SEED, ContractError, ReleaseMeta, Track
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
class ReleaseInput:
    """The content of a release.

    `batches` (by slate) and `tracks` are called twice, to name the release and to load it, and must yield the
    same content each time; only one batch is held in memory at once, and their order does not matter.
    """

    as_of: date
    generated_at: datetime
    model_versions: Mapping[str, str]
    """Model version per slate; its keys are the slates of the release."""
    batches: Callable[[str], Iterator[SlateBatch]]
    tracks: Callable[[], Iterator[Sequence[Track]]]
    """The catalogue: at least every track of any list, and every seed."""
    popular_track_keys: NDArray[np.int32]
    popular_scores: NDArray[np.float32]
    expected_users: Mapping[str, int]
    """Users per slate who should have a list; coverage is measured against it."""


@dataclass(frozen=True)
class Plan:
    """A release with its name and sizes, before anything is written."""

    meta: ReleaseMeta
    popular: bytes
    estimated_bytes: int

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
    Raises ReleaseError for an empty list, a track key without a track, an empty popular list, or a slate that
    nobody has.
    """
    content = _Content()
    catalogue = _add_tracks(content, release)
    users = {slate: _add_slate(content, release, slate, catalogue) for slate in release.model_versions}
    popular = _packed_popular(release, catalogue)
    content.add("popular", b"", popular)
    header = [contract.CONTRACT_VERSION, release.as_of, sorted(release.model_versions.items())]
    meta = ReleaseMeta(
        release=f"{release.as_of.isoformat()}-{content.digest(orjson.dumps(header))[:8]}",
        as_of=release.as_of,
        generated_at=release.generated_at,
        models=dict(release.model_versions),
        users=users,
        tracks=len(catalogue),
        popular=len(release.popular_track_keys),
    )
    return Plan(meta, popular, int(content.estimated_bytes))


def _add_tracks(content: _Content, release: ReleaseInput) -> NDArray[np.int32]:
    """Add the catalogue; returns its sorted track keys."""
    keys = [np.empty(0, np.int32)]
    for tracks in release.tracks():
        keys.append(np.array([track.track_key for track in tracks], np.int32))
        for track in tracks:
            field = contract.track_field(track.track_key)
            content.add("track", field, contract.pack_track(track))
            content.add("track-id", track.track_id.encode(), field)
    catalogue, times = np.unique(np.concatenate(keys), return_counts=True)
    if (times > 1).any():
        raise ReleaseError(f"the catalogue of the release has the track key {catalogue[times > 1][0]} twice")
    return catalogue


def _add_slate(content: _Content, release: ReleaseInput, slate: str, catalogue: NDArray[np.int32]) -> int:
    """Add the lists of a slate; returns the number of users."""
    users = 0
    for batch in release.batches(slate):
        try:
            packed = batch.packed()
        except ContractError as error:
            raise ReleaseError(f"the slate {slate} cannot be packed: {error}") from error
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


def _packed_popular(release: ReleaseInput, catalogue: NDArray[np.int32]) -> bytes:
    if not len(release.popular_track_keys):
        raise ReleaseError("the popular list is empty, so unknown users would get nothing")
    _require_known(release.popular_track_keys, catalogue, "popular list")
    try:
        return contract.pack_list(release.popular_track_keys, release.popular_scores)
    except ContractError as error:
        raise ReleaseError(f"the popular list cannot be packed: {error}") from error


def _require_known(track_keys: NDArray[np.int32], catalogue: NDArray[np.int32], where: str) -> None:
    unknown = track_keys[~np.isin(track_keys, catalogue)]
    if len(unknown):
        raise ReleaseError(
            f"{where}: {len(unknown)} items are not in the catalogue, such as the track key {unknown[0]};"
            " rebuild the lists and the catalogue from one as_of"
        )
