"""What an app shows of tracks and artists, and what a user has blocked."""

from typing import Any, NamedTuple

import orjson

from serving_api.contract.keys import artist_key, track_key
from serving_api.contract.version import CONTRACT_VERSION, ContractError, ContractVersionError


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


def pack_track(track: Track) -> bytes:
    """Pack what an app shows of a track; the track key is the hash field, not part of the payload."""
    return orjson.dumps(track[1:])


def unpack_track(field: bytes, packed: bytes) -> Track:
    """Unpack a track from its hash field and its payload. Raises ContractError for anything else."""
    key = track_key(field)
    return Track(key, *_texts(packed, len(Track._fields) - 1, f"track {key}"))


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
