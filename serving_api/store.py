"""Reads the live release from Redis, following the pointer on every request."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, cast

import numpy as np
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from serving_api import contract
from serving_api.answers import (
    NO_BLOCKS,
    Page,
    PopularList,
    Release,
    Similar,
    UserSlate,
    Window,
    next_offset,
    record_document,
)
from serving_api.catalogue import TRACKS, Kind
from serving_api.contract import Artist, Blocks, Track
from serving_api.errors import (
    NoLiveReleaseError,
    SilentStoreError,
    StoreUnavailableError,
    UnreadableBlocksError,
    UnreadableReleaseError,
)
from serving_api.ranked import NO_LIST, named_keys, shown_items, without, without_blocked
from serving_api.records import key_of, read_records

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
        self.last_seen: Release | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def live(self) -> Release:
        """The release that the pointer shows now."""
        for _ in range(READ_ATTEMPTS):
            with _unavailable_on_redis_error():
                pointer = await cast(Awaitable[bytes | None], self._redis.get(contract.LIVE))
                if pointer is None:
                    raise NoLiveReleaseError("this Redis holds no release: none was published, or it has lost its data")
                name = pointer.decode()
                if self.last_seen is None or self.last_seen.meta.release != name:
                    self.last_seen = await self._load(name) or self.last_seen
            if self.last_seen is not None and self.last_seen.meta.release == name:
                return self.last_seen
        raise StoreUnavailableError(f"the live pointer names the release {name}, which is not there")

    async def user_slate(self, user_id: str, slate: str, window: Window, country: str | None = None) -> UserSlate:
        """A window of a user's list, or where there is none of the popular list of their country.

        That is the country that the release says, else the given one; without either, or its list, the overall one.
        """
        return await self._of_live(lambda release: self._read_user_slate(release, user_id, slate, window, country))

    async def blocks(self, user_id: str) -> Blocks:
        """What a user has blocked, whatever there is of a release.

        Raises UnreadableBlocksError, or SilentStoreError where Redis does not answer at all.
        """
        try:
            with _unavailable_on_redis_error():
                packed = await cast(Awaitable[bytes | None], self._redis.hget(contract.BLOCKS, user_id))
        except SilentStoreError:
            raise
        except StoreUnavailableError as error:
            raise UnreadableBlocksError(
                f"Redis answers, but refuses to read {contract.BLOCKS}: allow it to the API or, if it is not a hash,"
                " delete it and run `audotics blocks publish`"
            ) from error
        return _unpacked_blocks(packed)

    async def popular(self, country: str | None) -> tuple[Release, PopularList]:
        """The popular list of a country, the overall one where it has none."""
        if country is None:
            release = await self.live()
            return release, release.popular
        return await self._of_live(lambda release: self._read_popular(release, country))

    async def track(self, track_id: str) -> tuple[Release, Track]:
        """A track of the live release by its public id. Raises UnknownTrackError."""
        return await self._of_live(lambda release: self._read_track(release, track_id))

    async def similar(self, kind: Kind[_Record], public_id: str, window: Window) -> Similar[_Record]:
        """A window of what is most like a track or an artist. Raises UnknownTrackError or UnknownArtistError."""
        return await self._of_live(lambda release: self._read_similar(release, kind, public_id, window))

    async def _of_live(self, read: Callable[[Release], Awaitable[_Found | None]]) -> _Found:
        """What is read of the live release; `read` returns None of one that is not live (any more)."""
        release = self.last_seen or await self.live()
        for _ in range(READ_ATTEMPTS):
            with _unavailable_on_redis_error():
                found = await read(release)
            if found is not None:
                return found
            release = await self.live()
        raise StoreUnavailableError("releases were published faster than one could be read")

    async def _load(self, name: str) -> Release | None:
        """The description and the popular list of a release; None when it is not there (any more)."""
        packed_meta, packed_popular = await cast(
            Awaitable[list[bytes | None]],
            self._redis.mget(contract.meta_key(name), contract.popular_key(name)),
        )
        if packed_meta is None or packed_popular is None:
            return None
        try:
            meta = contract.unpack_meta(packed_meta)
            popular = contract.unpack_list(packed_popular)
            tracks = await self._tracks(name, popular.track_keys.tolist())
        except contract.ContractVersionError as error:
            raise UnreadableReleaseError(f"{error}; run the API and the publisher from one version") from error
        except contract.ContractError as error:
            raise UnreadableReleaseError(f"{error}; publish again or roll back") from error
        if tracks is None:
            return None
        return Release(meta, PopularList(None, list(shown_items(popular, tracks))))

    async def _read_user_slate(
        self, release: Release, user_id: str, slate: str, window: Window, country: str | None
    ) -> UserSlate | None:
        """The answer from this release; None when it is not the live one (any more)."""
        name = release.meta.release
        excluded_ids = sorted(window.exclude)
        # One transaction: that the release is live, and everything read of it here, are of one instant.
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(contract.LIVE)
            pipe.hget(contract.BLOCKS, user_id)
            pipe.hget(contract.user_countries_key(name), user_id)
            pipe.hget(contract.slate_key(name, slate), user_id)
            for other in release.meta.slates:
                pipe.hexists(contract.slate_key(name, other), user_id)
            if excluded_ids:
                pipe.hmget(contract.track_ids_key(name), excluded_ids)
            live, packed_blocks, stated, packed, *rest = await pipe.execute()
        if live != name.encode():
            return None
        blocks = _unpacked_blocks(packed_blocks)
        tracks: dict[int, Track] | None = {}
        ranked = contract.unpack_list(packed) if packed is not None else NO_LIST
        if blocks != NO_BLOCKS:
            # By whom a track is says its record: those of the whole list are read, in place of those of the window.
            tracks = await self._tracks(name, named_keys(ranked))
            if tracks is None:
                return None
            ranked = without_blocked(ranked, tracks, blocks)
        if not len(ranked.track_keys):
            popular = await self._stand_in(release, stated.decode() if stated is not None else country)
            if popular is None:
                return None
            known = any(rest[: len(release.meta.slates)])
            return UserSlate(release, popular.page(window, blocks), "popular", known, popular.country)
        excluded = [contract.track_key(field) for field in rest[-1] if field] if excluded_ids else []
        kept = without(ranked, np.array(excluded, dtype=np.int32))
        shown = kept.take(slice(window.offset, window.offset + window.limit))
        tracks = tracks or await self._tracks(name, named_keys(shown))
        if tracks is None:
            return None
        items = [{"rank": rank, **item} for rank, item in enumerate(shown_items(shown, tracks), window.offset + 1)]
        page = Page(items, next_offset(window, len(kept.track_keys)))
        return UserSlate(release, page, "personal", known=True, country=None)

    async def _read_popular(self, release: Release, country: str) -> tuple[Release, PopularList] | None:
        """What is popular in a country, overall where it has no list; None when the release is not live (any more)."""
        live = await cast(Awaitable[bytes | None], self._redis.get(contract.LIVE))
        if live != release.meta.release.encode():
            return None
        popular = await self._stand_in(release, country)
        return (release, popular) if popular is not None else None

    async def _stand_in(self, release: Release, country: str | None) -> PopularList | None:
        """The popular list of a country, the overall one where it has none, of a release that was live a moment ago.

        None when it has to be read of Redis, and the release is not live (any more).
        """
        if country is None:
            return release.popular
        if country in release.countries:
            return release.countries[country]
        name = release.meta.release
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(contract.LIVE)
            pipe.hget(contract.country_popular_key(name), country)
            live, packed = await pipe.execute()
        if live != name.encode():
            return None
        if packed is None:
            return release.popular
        ranked = contract.unpack_list(packed)
        tracks = await self._tracks(name, named_keys(ranked))
        if tracks is None:
            return None
        release.countries[country] = PopularList(country, list(shown_items(ranked, tracks)))
        return release.countries[country]

    async def _read_track(self, release: Release, track_id: str) -> tuple[Release, Track] | None:
        """A track of this release; None when it is not the live one (any more)."""
        key = await key_of(self._redis, TRACKS, release.meta.release, track_id)
        if key is None:
            return None
        tracks = await self._tracks(release.meta.release, [key])
        return (release, tracks[key]) if tracks is not None else None

    async def _read_similar(
        self, release: Release, kind: Kind[_Record], public_id: str, window: Window
    ) -> Similar[_Record] | None:
        """The answer from this release; None when it is not the live one (any more)."""
        name = release.meta.release
        key = await key_of(self._redis, kind, name, public_id)
        if key is None:
            return None
        # Asked again with the list: of a release that is being removed, a list may be missing that there was.
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(contract.LIVE)
            pipe.hget(kind.similar_key(name), contract.track_field(key))
            live, packed = await pipe.execute()
        if live != name.encode():
            return None
        ranked = contract.unpack_list(packed) if packed is not None else NO_LIST
        shown = ranked.take(slice(window.offset, window.offset + window.limit))
        records = await read_records(self._redis, kind, name, [key, *shown.track_keys.tolist()])
        if records is None:
            return None
        listed = zip(shown.track_keys.tolist(), shown.scores, strict=True)
        items = [
            {"rank": rank, **record_document(records[each]), "score": score}
            for rank, (each, score) in enumerate(listed, window.offset + 1)
        ]
        length = len(ranked.track_keys)
        return Similar(release, records[key], Page(items, next_offset(window, length)), alone=not length)

    async def _tracks(self, release: str, keys: Sequence[int]) -> dict[int, Track] | None:
        """Tracks by key; None when one is missing, which means that the release has been removed."""
        return await read_records(self._redis, TRACKS, release, keys)


def _unpacked_blocks(packed: bytes | None) -> Blocks:
    """What a user has blocked. Raises UnreadableBlocksError: nothing is shown to whoever may have blocked it."""
    if packed is None:
        return NO_BLOCKS
    try:
        return contract.unpack_blocks(packed)
    except contract.ContractError as error:
        raise UnreadableBlocksError(f"{error}; `audotics blocks publish` writes all of them again") from error


@contextmanager
def _unavailable_on_redis_error() -> Iterator[None]:
    try:
        yield
    # The error's own text can name host and port, which callers of the API have no business with.
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise SilentStoreError("Redis does not answer") from error
    except RedisError as error:
        raise StoreUnavailableError("Redis answers with an error") from error
