"""Reads what is listed of a track or an artist: what is similar, and whose tracks are."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from redis.asyncio import Redis

from serving_api import contract
from serving_api.answers import Release, Similar
from serving_api.catalogue import ARTISTS, Kind
from serving_api.contract import Artist, ContractError, Track
from serving_api.errors import UnreadableReleaseError
from serving_api.pages import Item, Window, page, part
from serving_api.ranked import NO_LIST, at, shown_items
from serving_api.reading import is_shown, reads
from serving_api.records import Records, key_of, require

_Record = TypeVar("_Record", bound=Track | Artist)
_Listed = TypeVar("_Listed", bound=Track | Artist)


async def similar_list(
    redis: Redis, release: Release, kind: Kind[_Record], public_id: str, window: Window
) -> Similar[_Record] | None:
    """What is similar to a track or an artist; None when the release is not the live one (any more).

    Raises UnknownItemError, UnreadableReleaseError.
    """
    where = f"what is similar to {public_id}"
    return await _listed_of(
        redis, release, kind, public_id, kind.similar_key(release.name), release.records_of(kind), window, where
    )


async def artist_list(redis: Redis, release: Release, artist_id: str, window: Window) -> Similar[Artist] | None:
    """The tracks of an artist; None when the release is not the live one (any more).

    Raises UnknownArtistError, UnreadableReleaseError.
    """
    lists, where = contract.artist_tracks_key(release.name), f"the tracks of {artist_id}"
    return await _listed_of(redis, release, ARTISTS, artist_id, lists, release.tracks, window, where)


async def _listed_of(
    redis: Redis,
    release: Release,
    kind: Kind[_Record],
    public_id: str,
    lists: str,
    listed: Records[_Listed],
    window: Window,
    where: str,
) -> Similar[_Record] | None:
    """The item of a public id, and a window of what the hash `lists` has for it, whose records are `listed`."""
    key = await key_of(redis, kind, release.name, public_id)
    if key is None:
        return None
    # Asked again with the list: of a release that is being removed, a list may be missing that there was.
    async with reads(redis) as pipe:
        pipe.hget(lists, contract.track_field(key))
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        packed, pointers = await pipe.execute()
    if not is_shown(pointers, release.name, pinned=False):
        return None
    try:
        ranked = contract.unpack_list(packed) if packed is not None else NO_LIST
    except ContractError as error:
        raise UnreadableReleaseError(f"{where}: {error}") from error
    places = range(len(ranked.track_keys))
    owner = await require(redis, release.name, release.records_of(kind), [key], where)
    known = await require(redis, release.name, listed, at(ranked, part(places, window)).track_keys.tolist(), where)
    if owner is None or known is None:
        return None

    def shown(some: Sequence[int]) -> Iterable[Item]:
        return shown_items(at(ranked, some), known)

    return Similar(release, owner[key], page(places, window, shown), alone=not places)
