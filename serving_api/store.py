"""Reads the live release from Redis, following the pointer on every request."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from serving_api import contract
from serving_api.answers import ListAsked, PopularList, Release, Similar, UserSlate, Window, page
from serving_api.batches import Batches
from serving_api.catalogue import ARTISTS, TRACKS, Kind
from serving_api.contract import Artist, Blocks, ContractError, ContractVersionError, Track
from serving_api.errors import NoLiveReleaseError, StoreUnavailableError, UnreadableReleaseError
from serving_api.popular_lists import popular_in, popular_list
from serving_api.ranked import NO_LIST, shown_items
from serving_api.reading import is_live, unavailable_on_redis_error, unpacked_blocks
from serving_api.records import Known, Records, key_of, require
from serving_api.user_lists import Read, user_lists

REDIS_TIMEOUT_SECONDS = 0.5
MAX_CONNECTIONS = 64
# Reading what the pointer showed last, then what it shows now, then once more if that was removed meanwhile.
READ_ATTEMPTS = 3

_Record = TypeVar("_Record", bound=Track | Artist)
_Found = TypeVar("_Found")


class ReleaseStore:
    """Reader of releases. Every method raises StoreUnavailableError when Redis cannot answer.

    All data of one answer is of one release. When that release is removed between two reads of a request,
    the request starts again with the one that the pointer then shows.
    """

    def __init__(self, redis_url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=MAX_CONNECTIONS,
            timeout=REDIS_TIMEOUT_SECONDS,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            # Once, for a connection that Redis closed while idle; a Redis that hangs is not asked twice.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._redis = Redis.from_pool(pool)
        self._loading = asyncio.Lock()
        self._pointer = Batches(self._read_pointer)
        self._user_lists = Batches(self.user_slates)
        self.last_seen: Release | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def live(self) -> Release:
        """The release that the pointer shows now."""
        pointer: bytes | None = None
        for _ in range(READ_ATTEMPTS):
            with unavailable_on_redis_error():
                pointer = await self._pointer.ask(None)
                # After a flip one request reads the new release, and those beside it wait for that.
                async with self._loading:
                    if self.last_seen is None or self.last_seen.name.encode() != pointer:
                        self.last_seen = await self._load(pointer) or self.last_seen
            if self.last_seen is not None and self.last_seen.name.encode() == pointer:
                return self.last_seen
        raise StoreUnavailableError(f"the live pointer names the release {pointer!r}, which is not there")

    async def user_slate(self, asked: ListAsked) -> UserSlate:
        """A window of a user's list, or where there is none of the popular list of their country.

        That is the country that the release says, else the given one; without either, or its list, the overall one.
        """
        return await self._user_lists.ask(asked)

    async def user_slates(self, asks: Sequence[ListAsked]) -> list[Read]:
        """As `user_slate`, of many at once and of one release, with an error in the place of what cannot be read."""
        return await self._of_live(lambda release: user_lists(self._redis, release, asks))

    async def blocks(self, user_id: str) -> Blocks:
        """What a user has blocked, whatever there is of a release.

        Raises UnreadableBlocksError, or SilentStoreError where Redis does not answer at all.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hget(contract.BLOCKS, user_id)
            with unavailable_on_redis_error():
                (packed,) = await pipe.execute(raise_on_error=False)
        return unpacked_blocks(packed)

    async def popular(self, country: str | None) -> tuple[Release, PopularList]:
        """The popular list of a country, the overall one where it has none."""
        if country is None:
            release = await self.live()
            return release, release.popular
        return await self._of_live(lambda release: self._read_popular(release, country))

    async def track(self, track_id: str) -> tuple[Release, Known[Track]]:
        """A track of the live release by its public id. Raises UnknownTrackError."""
        return await self._of_live(lambda release: self._read_track(release, track_id))

    async def similar(self, kind: Kind[_Record], public_id: str, window: Window) -> Similar[_Record]:
        """A window of what is most like a track or an artist. Raises UnknownTrackError or UnknownArtistError."""
        return await self._of_live(lambda release: self._read_similar(release, kind, public_id, window))

    async def _of_live(self, read: Callable[[Release], Awaitable[_Found | None]]) -> _Found:
        """What is read of the live release; `read` returns None of one that is not live (any more)."""
        release = self.last_seen or await self.live()
        for _ in range(READ_ATTEMPTS):
            with unavailable_on_redis_error():
                found = await read(release)
            if found is not None:
                return found
            release = await self.live()
        raise StoreUnavailableError("releases were published faster than one could be read")

    async def _read_pointer(self, asked: Sequence[None]) -> Sequence[bytes]:
        """What the pointer shows, for each who asks at once."""
        pointer = await cast(Awaitable[bytes | None], self._redis.get(contract.LIVE))
        if pointer is None:
            raise NoLiveReleaseError("this Redis holds no release: none was published, or it has lost its data")
        return [pointer] * len(asked)

    async def _load(self, pointer: bytes) -> Release | None:
        """The description and the popular list of a release; None when it is not there (any more)."""
        try:
            name = contract.release_name(pointer)
            packed_meta, packed_popular = await cast(
                Awaitable[list[bytes | None]],
                self._redis.mget(contract.meta_key(name), contract.popular_key(name)),
            )
            if packed_meta is None or packed_popular is None:
                return None
            meta = contract.unpack_meta(packed_meta)
        except ContractVersionError as error:
            raise UnreadableReleaseError(str(error), "run the API and the publisher from one version") from error
        except ContractError as error:
            raise UnreadableReleaseError(str(error)) from error
        if meta.release != name:
            raise UnreadableReleaseError(f"the release {name} says that it is {meta.release}")
        tracks = Records(TRACKS, name)
        popular = await popular_list(self._redis, name, tracks, None, packed_popular)
        return Release(meta, popular, tracks, Records(ARTISTS, name)) if popular is not None else None

    async def _read_popular(self, release: Release, country: str) -> tuple[Release, PopularList] | None:
        """What is popular in a country, overall where it has no list; None when the release is not live (any more)."""
        if not await is_live(self._redis, release.name):
            return None
        popular = await popular_in(self._redis, release, country)
        return (release, popular) if popular is not None else None

    async def _read_track(self, release: Release, track_id: str) -> tuple[Release, Known[Track]] | None:
        """A track of this release; None when it is not the live one (any more)."""
        key = await key_of(self._redis, TRACKS, release.name, track_id)
        if key is None:
            return None
        tracks = await require(self._redis, release.name, release.tracks, [key], f"the track {track_id}")
        return (release, tracks[key]) if tracks is not None else None

    async def _read_similar(
        self, release: Release, kind: Kind[_Record], public_id: str, window: Window
    ) -> Similar[_Record] | None:
        """The answer from this release; None when it is not the live one (any more)."""
        key = await key_of(self._redis, kind, release.name, public_id)
        if key is None:
            return None
        # Asked again with the list: of a release that is being removed, a list may be missing that there was.
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(contract.LIVE)
            pipe.hget(kind.similar_key(release.name), contract.track_field(key))
            live, packed = await pipe.execute()
        if live != release.name.encode():
            return None
        where = f"what is similar to {public_id}"
        try:
            ranked = contract.unpack_list(packed) if packed is not None else NO_LIST
        except ContractError as error:
            raise UnreadableReleaseError(f"{where}: {error}") from error
        shown = ranked.take(window.part)
        records = cast(Records[_Record], release.tracks if kind is TRACKS else release.artists)
        known = await require(self._redis, release.name, records, [key, *shown.track_keys.tolist()], where)
        if known is None:
            return None
        total = len(ranked.track_keys)
        return Similar(release, known[key], page(shown_items(shown, known), window, total), alone=not total)
