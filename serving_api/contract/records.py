"""What an app shows of tracks and artists, and what a user has blocked."""

from typing import Any, NamedTuple

import orjson

from serving_api.contract.keys import artist_key, track_key
from serving_api.contract.version import CONTRACT_VERSION, ContractError, ContractVersionError


class TrackDetails(NamedTuple):
    """What else is known of a track; None where it is not."""

    album: str | None
    duration_ms: int | None
    isrc: str | None
    tags: tuple[str, ...]
    """Most frequent first; in lower case, so that each is there once."""
    release_year: int | None
    explicit: bool | None


NO_DETAILS = TrackDetails(None, None, None, (), None, None)


class Track(NamedTuple):
    """What an app shows of a track. Absent texts are None."""

    track_key: int
    track_id: str
    title: str | None
    artist: str | None
    artist_id: str | None
    recording_mbid: str | None
    details: TrackDetails = NO_DETAILS


class Artist(NamedTuple):
    """What an app shows of an artist. Absent texts are None."""

    artist_key: int
    artist_id: str
    name: str | None
    artist_mbid: str | None


def pack_track(track: Track) -> bytes:
    """Pack what an app shows of a track, without its details; the key is the hash field, not part of the payload."""
    return orjson.dumps(track[1:_DETAILS])


def unpack_track(field: bytes, packed: bytes, details: bytes | None = None) -> Track:
    """Unpack a track from its hash field, its payload and that of its details, None where there are none.

    Raises ContractError for anything else.
    """
    key = track_key(field)
    track = Track(key, *_texts(packed, _DETAILS - 1, f"track {key}"))
    return track if details is None else track._replace(details=unpack_details(field, details))


def pack_details(details: TrackDetails) -> bytes:
    """Pack what else is known of a track."""
    return orjson.dumps(list(details))


def unpack_details(field: bytes, packed: bytes) -> TrackDetails:
    """Unpack what else is known of a track. Raises ContractError for anything else."""
    try:
        values = orjson.loads(packed)
    except ValueError as error:
        raise ContractError(f"track {track_key(field)} has no readable details: {error}") from error
    count = len(_DETAIL_TYPES)
    # What comes after them was added by a later version.
    if not isinstance(values, list) or len(values) < count or not isinstance(values[_TAGS], list):
        raise ContractError(f"track {track_key(field)} has details that are not an array of {count} values")
    values[_TAGS] = tuple(values[_TAGS])
    # By exact type: for Python, true is a number.
    if any(type(value) not in types for value, types in zip(values, _DETAIL_TYPES, strict=False)) or any(
        type(tag) is not str for tag in values[_TAGS]
    ):
        raise ContractError(f"track {track_key(field)} has details of other types than they must be")
    return TrackDetails(*values[:count])


def pack_artist(artist: Artist) -> bytes:
    """Pack what an app shows of an artist; the artist key is the hash field, not part of the payload."""
    return orjson.dumps(artist[1:])


def unpack_artist(field: bytes, packed: bytes) -> Artist:
    """Unpack an artist from its hash field and its payload. Raises ContractError for anything else."""
    key = artist_key(field)
    return Artist(key, *_texts(packed, len(Artist._fields) - 1, f"artist {key}"))


def _texts(packed: bytes, count: int, what: str) -> list[Any]:
    """A JSON array of an id and other texts, which may be null."""
    try:
        texts = orjson.loads(packed)
    except ValueError as error:
        raise ContractError(f"{what} has no readable record: {error}") from error
    if not isinstance(texts, list) or len(texts) != count:
        raise ContractError(f"{what} has a record that is not an array of {count} texts")
    if not isinstance(texts[0], str) or not all(text is None or isinstance(text, str) for text in texts):
        raise ContractError(f"{what} has a record with something else than texts, or without an id")
    return texts


_DETAILS = Track._fields.index("details")
_TAGS = TrackDetails._fields.index("tags")
_ABSENT = type(None)
_DETAIL_TYPES = ((str, _ABSENT), (int, _ABSENT), (str, _ABSENT), (tuple,), (int, _ABSENT), (bool, _ABSENT))


class Blocks(NamedTuple):
    """What a user never wants to be recommended. Public ids, because they hold in every release and keys do not."""

    track_ids: frozenset[str]
    """Blocked tracks, the other versions of their recordings, and tracks that credit a blocked artist as a guest."""
    artist_ids: frozenset[str]

    def hold(self, track: Track) -> bool:
        """Whether the user has blocked the track, or its artist."""
        return track.track_id in self.track_ids or track.artist_id in self.artist_ids


NO_BLOCKS = Blocks(frozenset(), frozenset())


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
