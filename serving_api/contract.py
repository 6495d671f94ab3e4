"""The Redis contract: every key and payload of a release, shared by the publisher and the read API.

`docs/contract.md` describes the same keys and bytes for readers in other languages; a test compares the two.
Everything here is pure: no connection, no clock, no environment.
"""

import struct
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

CONTRACT_VERSION = 1

LIVE = "audotics:live"
PREVIOUS = "audotics:previous"
RELEASES = "audotics:releases"
PUBLISH_LOCK = "audotics:publish-lock"
BLOCKS = "audotics:blocks"

LIST_HEADER = struct.Struct("<BBH")
KEY_DTYPE = np.dtype("<i4")
SCORE_DTYPE = np.dtype("<f4")
TRACK_FIELD = struct.Struct(">i")

MAX_LIST_LENGTH = 0xFFFF
NO_ANCHOR = -1
NO_REASONS = 0
ANCHOR_REASONS = 1
ANCHOR_REASON_TYPE = "because_you_listened_to"


class ContractError(ValueError):
    """A payload that this version of the contract cannot have written."""


class ContractVersionError(ContractError):
    """A release written by another version of the contract."""


def meta_key(release: str) -> str:
    """Key of the JSON document that describes the release."""
    return f"audotics:{release}:meta"


def slate_key(release: str, slate: str) -> str:
    """Key of the hash from user id to packed list."""
    return f"audotics:{release}:slate:{slate}"


def tracks_key(release: str) -> str:
    """Key of the hash from track field to track record."""
    return f"audotics:{release}:tracks"


def track_ids_key(release: str) -> str:
    """Key of the hash from public track id to track field."""
    return f"audotics:{release}:track-ids"


def popular_key(release: str) -> str:
    """Key of the packed list that answers when there is no personal one."""
    return f"audotics:{release}:popular"


def country_popular_key(release: str) -> str:
    """Key of the hash from country to packed list of what is popular there."""
    return f"audotics:{release}:country-popular"


def user_countries_key(release: str) -> str:
    """Key of the hash from user id to country, of users without listens."""
    return f"audotics:{release}:user-countries"


def artists_key(release: str) -> str:
    """Key of the hash from artist field to artist record."""
    return f"audotics:{release}:artists"


def artist_ids_key(release: str) -> str:
    """Key of the hash from public artist id to artist field."""
    return f"audotics:{release}:artist-ids"


def similar_tracks_key(release: str) -> str:
    """Key of the hash from track field to packed list of the tracks most like it."""
    return f"audotics:{release}:similar-tracks"


def similar_artists_key(release: str) -> str:
    """Key of the hash from artist field to packed list of the artists most like it."""
    return f"audotics:{release}:similar-artists"


def release_key_pattern(release: str) -> str:
    """Glob that matches every key of one release and no other; `*` for the keys of all releases."""
    return f"audotics:{'????-??-??-????????' if release == '*' else release}:*"


class RankedList(NamedTuple):
    """One list, best first. All arrays have shape (n,)."""

    track_keys: NDArray[np.int32]
    """Artist keys in a list of similar artists."""
    scores: NDArray[np.float32]
    anchor_keys: NDArray[np.int32]
    """The listened-to track that explains the item, NO_ANCHOR (-1) where there is none."""

    def take(self, chosen: slice | NDArray[np.bool_]) -> "RankedList":
        """The chosen items of the list, in their order."""
        return RankedList(self.track_keys[chosen], self.scores[chosen], self.anchor_keys[chosen])


class Track(NamedTuple):
    """What an app shows of a track. Absent texts are None."""

    track_key: int
    track_id: str
    title: str | None
    artist: str | None
    artist_id: str | None
    recording_mbid: str | None


class Artist(NamedTuple):
    """What an app shows of an artist. Absent texts are None."""

    artist_key: int
    artist_id: str
    name: str | None
    artist_mbid: str | None


def pack_lists(
    offsets: NDArray[np.int64],
    track_keys: NDArray[np.int32],
    scores: NDArray[np.float32],
    anchor_keys: NDArray[np.int32] | None = None,
) -> list[bytes]:
    """Pack many lists at once.

    `offsets` has shape (lists + 1,), starts at 0 and ends at n; list i is the slice offsets[i]:offsets[i + 1]
    of the other arrays, which have shape (n,) and go best first. Raises ContractError for shapes that do not
    fit, a list over 65,535 items, a negative track key or a score that is not finite.
    """
    _check_lists(offsets, track_keys, scores, anchor_keys)
    blocks = [(memoryview(track_keys.astype(KEY_DTYPE).tobytes()), KEY_DTYPE.itemsize)]
    blocks.append((memoryview(scores.astype(SCORE_DTYPE).tobytes()), SCORE_DTYPE.itemsize))
    layout = NO_REASONS
    if anchor_keys is not None:
        blocks.append((memoryview(anchor_keys.astype(KEY_DTYPE).tobytes()), KEY_DTYPE.itemsize))
        layout = ANCHOR_REASONS
    bounds = offsets.tolist()
    return [
        LIST_HEADER.pack(CONTRACT_VERSION, layout, end - start)
        + b"".join(block[start * width : end * width] for block, width in blocks)
        for start, end in pairwise(bounds)
    ]


def _check_lists(
    offsets: NDArray[np.int64],
    track_keys: NDArray[np.int32],
    scores: NDArray[np.float32],
    anchor_keys: NDArray[np.int32] | None,
) -> None:
    lengths = np.diff(offsets)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(track_keys) or (lengths < 0).any():
        raise ContractError("offsets must start at 0, never fall, and end at the number of track keys")
    if len(scores) != len(track_keys) or (anchor_keys is not None and len(anchor_keys) != len(track_keys)):
        raise ContractError("track keys, scores and anchor keys must have the same length")
    if (lengths > MAX_LIST_LENGTH).any():
        raise ContractError(f"a list has {lengths.max()} items; the contract allows {MAX_LIST_LENGTH}")
    if (track_keys < 0).any():
        raise ContractError("a track key is negative")
    if not np.isfinite(scores).all():
        raise ContractError("a score is not a finite number")


def pack_list(track_keys: NDArray[np.int32], scores: NDArray[np.float32]) -> bytes:
    """Pack one list without reasons, such as the popular list; errors as in pack_lists."""
    return pack_lists(np.array([0, len(track_keys)]), track_keys, scores)[0]


def unpack_list(packed: bytes) -> RankedList:
    """Unpack one list. Raises ContractError when the bytes are not a list of this contract version."""
    if len(packed) < LIST_HEADER.size:
        raise ContractError(f"a packed list of {len(packed)} bytes is shorter than its header")
    version, layout, count = LIST_HEADER.unpack_from(packed)
    if version != CONTRACT_VERSION:
        raise ContractVersionError(f"a packed list has contract version {version}, not {CONTRACT_VERSION}")
    if layout not in (NO_REASONS, ANCHOR_REASONS):
        raise ContractError(f"a packed list has the unknown reason layout {layout}")
    scores_at = LIST_HEADER.size + count * KEY_DTYPE.itemsize
    anchors_at = scores_at + count * SCORE_DTYPE.itemsize
    expected = anchors_at + count * KEY_DTYPE.itemsize * (layout == ANCHOR_REASONS)
    if len(packed) != expected:
        raise ContractError(f"a packed list of {count} items has {len(packed)} bytes instead of {expected}")
    track_keys = np.frombuffer(packed, KEY_DTYPE, count, LIST_HEADER.size)
    scores = np.frombuffer(packed, SCORE_DTYPE, count, scores_at)
    if layout == ANCHOR_REASONS:
        anchor_keys = np.frombuffer(packed, KEY_DTYPE, count, anchors_at)
    else:
        anchor_keys = np.full(count, NO_ANCHOR, KEY_DTYPE)
    return RankedList(track_keys, scores, anchor_keys)


def track_field(track_key: int) -> bytes:
    """The name of a track in the tracks hash: big-endian, so that fields sort as the keys do."""
    return TRACK_FIELD.pack(track_key)


def track_key(field: bytes) -> int:
    """The track key that a track field stands for."""
    return int(TRACK_FIELD.unpack(field)[0])


# Fields of artists are made as those of tracks are.
artist_field = track_field
artist_key = track_key


def pack_track(track: Track) -> bytes:
    """Pack what an app shows of a track; the track key is the hash field, not part of the payload."""
    return orjson.dumps(track[1:])


def unpack_track(field: bytes, packed: bytes) -> Track:
    """Unpack a track from its hash field and its payload. Raises ContractError for anything else."""
    try:
        return Track(track_key(field), *orjson.loads(packed))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise ContractError(f"track {track_key(field)} has no readable record: {error}") from error


def pack_artist(artist: Artist) -> bytes:
    """Pack what an app shows of an artist; the artist key is the hash field, not part of the payload."""
    return orjson.dumps(artist[1:])


def unpack_artist(field: bytes, packed: bytes) -> Artist:
    """Unpack an artist from its hash field and its payload. Raises ContractError for anything else."""
    try:
        return Artist(artist_key(field), *orjson.loads(packed))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise ContractError(f"artist {artist_key(field)} has no readable record: {error}") from error


class Blocks(NamedTuple):
    """What a user never wants to be recommended. Public ids, because they hold in every release and keys do not."""

    track_ids: frozenset[str]
    """Blocked tracks, and the other versions of their recordings."""
    artist_ids: frozenset[str]

    def hold(self, track: Track) -> bool:
        """Whether the user has blocked the track, or its artist."""
        return track.track_id in self.track_ids or track.artist_id in self.artist_ids


def pack_blocks(blocks: Blocks) -> bytes:
    """Pack what a user has blocked; the same blocks give the same bytes."""
    return orjson.dumps([CONTRACT_VERSION, sorted(blocks.track_ids), sorted(blocks.artist_ids)])


def unpack_blocks(packed: bytes) -> Blocks:
    """Unpack what a user has blocked.

    Raises ContractVersionError when another contract version wrote it, ContractError when it is unreadable.
    """
    try:
        version, *kinds = orjson.loads(packed)
    except (TypeError, ValueError) as error:
        raise ContractError(f"the blocks of a user are not a JSON array: {error}") from error
    if version != CONTRACT_VERSION:
        raise ContractVersionError(f"the blocks of a user have contract version {version}, not {CONTRACT_VERSION}")
    # A text in the place of a list would become a set of letters, and block nothing.
    texts = [isinstance(ids, list) and all(isinstance(each, str) for each in ids) for ids in kinds]
    if texts != [True, True]:
        raise ContractError("the blocks of a user are not two lists of texts")
    return Blocks(*map(frozenset, kinds))


@dataclass(frozen=True)
class ReleaseMeta:
    """What a release is: its origin for every response, its sizes for `releases list`."""

    release: str
    as_of: date
    generated_at: datetime
    models: dict[str, str]
    """Model version per slate."""
    users: dict[str, int]
    """Number of users with a list, per slate."""
    tracks: int
    popular: int
    """Number of items in the popular list."""

    @property
    def slates(self) -> list[str]:
        """The slates of the release, in a fixed order."""
        return sorted(self.models)


def pack_meta(meta: ReleaseMeta) -> bytes:
    """Pack the description of a release as JSON."""
    document = {"contract_version": CONTRACT_VERSION} | asdict(meta)
    return orjson.dumps(document, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)


def unpack_meta(packed: bytes) -> ReleaseMeta:
    """Unpack the description of a release.

    Raises ContractVersionError when another contract version wrote it, ContractError when it is unreadable.
    """
    try:
        document = orjson.loads(packed)
        version = document["contract_version"]
    except (orjson.JSONDecodeError, TypeError, KeyError) as error:
        raise ContractError(f"a release has no readable meta document: {error}") from error
    if version != CONTRACT_VERSION:
        raise ContractVersionError(f"the release has contract version {version}, not {CONTRACT_VERSION}")
    try:
        del document["contract_version"]
        as_of = date.fromisoformat(document.pop("as_of"))
        generated_at = datetime.fromisoformat(document.pop("generated_at"))
        return ReleaseMeta(as_of=as_of, generated_at=generated_at, **document)
    except (TypeError, ValueError, KeyError) as error:
        raise ContractError(f"a release has a damaged meta document: {error}") from error
