"""The releases that a process reads: the live one, by its pointer, and the previous one for who began with it."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import cast

from redis.asyncio import Redis

from serving_api import contract
from serving_api.answers import Release
from serving_api.batches import Batches
from serving_api.catalogue import ARTISTS, TRACKS
from serving_api.contract import ContractError, ContractVersionError
from serving_api.errors import NoLiveReleaseError, ReleaseGoneError, StoreUnavailableError, UnreadableReleaseError
from serving_api.popular_lists import popular_list
from serving_api.reading import is_kept, unavailable_on_redis_error
from serving_api.records import CacheUse, Records

# Reading what the pointer showed last, then what it shows now, then once more if that was removed meanwhile.
READ_ATTEMPTS = 3


class Releases:
    """What a process keeps of releases. Every method raises StoreUnavailableError when Redis cannot answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._loading = asyncio.Lock()
        self._pointer = Batches(self._read_pointer)
        self._before: Release | None = None
        self._use = CacheUse()
        self.last_seen: Release | None = None

    def cache_use(self) -> CacheUse:
        """How many records are kept of the releases, and how often one was, over all releases there were."""
        held = [records for each in (self.last_seen, self._before) if each for records in (each.tracks, each.artists)]
        self._use.kept = sum(map(len, held))
        return self._use

    async def live(self) -> Release:
        """The release that the pointer shows now."""
        pointer: bytes | None = None
        for _ in range(READ_ATTEMPTS):
            with unavailable_on_redis_error():
                pointer = await self._pointer.ask(None)
                # After a flip one request reads the new release, and those beside it wait for that.
                async with self._loading:
                    if self.last_seen is None or self.last_seen.name.encode() != pointer:
                        loaded = self._kept(pointer) or await self._load(pointer)
                        if loaded is not None:
                            self._before, self.last_seen = self.last_seen, loaded
            if self.last_seen is not None and self.last_seen.name.encode() == pointer:
                return self.last_seen
        raise StoreUnavailableError(f"the live pointer names the release {pointer!r}, which is not there")

    async def pinned(self, name: str) -> Release:
        """The live or the previous release, by its name. Raises ReleaseGoneError for any other."""
        pointer = name.encode()
        with unavailable_on_redis_error():
            async with self._loading:
                found = self._kept(pointer)
                if found is None and await is_kept(self._redis, name):
                    found = self._before = await self._load(pointer)
        if found is None:
            raise ReleaseGoneError(name)
        return found

    def _kept(self, pointer: bytes) -> Release | None:
        return next((each for each in (self.last_seen, self._before) if each and each.name.encode() == pointer), None)

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
        tracks = Records(TRACKS, name, use=self._use)
        popular = await popular_list(self._redis, name, tracks, None, packed_popular, "the popular list")
        return Release(meta, popular, tracks, Records(ARTISTS, name, use=self._use)) if popular is not None else None
