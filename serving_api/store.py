"""What the routes ask: reads of the live release from Redis, or of the one that a request names."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.requests import Request

from serving_api import contract
from serving_api.answers import ListAsked, PopularList, Release, Similar, UserSlate
from serving_api.batches import Batches
from serving_api.block_changes import BlockChanges
from serving_api.catalogue import ARTISTS, TRACKS, Kind
from serving_api.contract import Artist, BlockKind, Blocks, Track
from serving_api.errors import (
    NoLiveReleaseError,
    ReleaseGoneError,
    StoreUnavailableError,
    UnknownItemError,
    UnreadableReleaseError,
)
from serving_api.pages import Item, Window
from serving_api.popular_lists import popular_in, trending
from serving_api.reading import is_kept, reads, unavailable_on_redis_error, unpacked_blocks
from serving_api.records import CacheUse, Known, key_of, require
from serving_api.redis_connections import notice_closed_connections
from serving_api.releases import READ_ATTEMPTS, Releases
from serving_api.scenarios import Scenarios
from serving_api.seed_lists import SeedList, SeedsAsked, seed_list
from serving_api.similar_lists import artist_list, similar_list
from serving_api.tag_lists import release_tags
from serving_api.user_lists import Read, user_lists

REDIS_TIMEOUT_SECONDS = 0.5
MAX_CONNECTIONS = 64

_Record = TypeVar("_Record", bound=Track | Artist)
_Found = TypeVar("_Found")


def store_of(request: Request) -> "ReleaseStore":
    """The store of the process that serves a request."""
    store: ReleaseStore = request.app.state.store
    return store


class ReleaseStore:
    """Reader of releases. Every method raises StoreUnavailableError when Redis cannot answer.

    All data of one answer is of one release. When that release is removed between two reads of a request,
    the request starts again with the one that the pointer then shows.
    """

    def __init__(self, redis_url: str, batch_seen: Callable[[int], object] = lambda size: None) -> None:
        self._pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=MAX_CONNECTIONS,
            timeout=REDIS_TIMEOUT_SECONDS,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            # Once, for a connection that Redis closed while idle; a Redis that hangs is not asked twice.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        notice_closed_connections(self._pool)
        self._redis = Redis.from_pool(self._pool)
        self.scenarios = Scenarios(self._redis)
        self.block_changes = BlockChanges(self._redis)
        self._releases = Releases(self._redis)
        self._user_lists = Batches(self.user_slates, batch_seen)

    @property
    def last_seen(self) -> Release | None:
        """The release that was live when Redis answered last."""
        return self._releases.last_seen

    @property
    def cache(self) -> CacheUse:
        """How records of tracks and artists are kept, and how that served."""
        return self._releases.cache_use()

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections to Redis wait for an answer, and how many for a request."""
        counts = {told["db.client.connection.state"]: count for count, told in self._pool.get_connection_count()}
        return counts["used"], counts["idle"]

    @property
    def redis(self) -> Redis:
        """The client that all of the process reads with."""
        return self._redis

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def live(self) -> Release:
        """The release that the pointer shows now."""
        return await self._releases.live()

    async def user_slate(self, asked: ListAsked) -> UserSlate:
        """A window of a user's list, or where there is none of the popular list of their country.

        That is the country that the release says, else the given one; without either, or its list, the overall one.
        Raises ReleaseGoneError.
        """
        return await self._user_lists.ask(asked)

    async def user_slates(self, asks: Sequence[ListAsked]) -> list[Read]:
        """As `user_slate`, of many at once, with an error in the place of what cannot be read.

        What names no release is all of one.
        """
        answers: list[Read | None] = [None] * len(asks)
        for release in dict.fromkeys(asked.release for asked in asks):
            places = [place for place, asked in enumerate(asks) if asked.release == release]
            for place, found in zip(places, await self._group(release, [asks[each] for each in places]), strict=True):
                answers[place] = found
        return cast(list[Read], answers)

    async def _group(self, release: str | None, asks: Sequence[ListAsked]) -> list[Read]:
        try:
            return await self._of(release, lambda of: user_lists(self._redis, of, release is not None, asks))
        except (StoreUnavailableError, ReleaseGoneError) as error:
            return [error] * len(asks)

    async def blocks(self, user_id: str) -> Blocks:
        """What a user has blocked, whatever there is of a release.

        Raises UnreadableBlocksError, or SilentStoreError where Redis does not answer at all.
        """
        async with reads(self._redis) as pipe:
            pipe.hget(contract.BLOCK_CHANGES, user_id)
            pipe.hget(contract.BLOCKS, user_id)
            with unavailable_on_redis_error():
                changes, blocks = await pipe.execute(raise_on_error=False)
        return unpacked_blocks(blocks, changes)

    async def popular(self, country: str | None, release: str | None = None) -> tuple[Release, PopularList]:
        """The popular list of a country, the overall one where it has none. Raises ReleaseGoneError."""
        return await self._of(release, lambda of: self._read_popular(of, release is not None, country))

    async def track(self, track_id: str) -> tuple[Release, Known[Track]]:
        """A track of the live release by its public id. Raises UnknownTrackError."""
        return await self._of(None, lambda release: self._read_item(release, TRACKS, track_id))

    async def listed_id(self, kind: BlockKind, public_id: str) -> str:
        """The id that lists have for a track or an artist; the same one where no release knows it.

        Raises StoreUnavailableError where that cannot be found out: lists might show the item all the same.
        """
        try:
            if kind == "track":
                _, track = await self.track(public_id)
                return track.public_id
            _, artist = await self._of(None, lambda release: self._read_item(release, ARTISTS, public_id))
            return artist.public_id
        except (UnknownItemError, NoLiveReleaseError, UnreadableReleaseError):
            return public_id

    async def trending(self) -> tuple[Release, PopularList]:
        """What is trending; empty where nothing is."""

        async def read(release: Release) -> tuple[Release, PopularList] | None:
            found = await trending(self._redis, release) if release is await self.live() else None
            return (release, found) if found is not None else None

        return await self._of(None, read)

    async def tags(self) -> tuple[Release, list[Item]]:
        """The tags that may be chosen as seeds, those that are heard most first."""

        async def read(release: Release) -> tuple[Release, list[Item]] | None:
            found = await release_tags(self._redis, release) if release is await self.live() else None
            return (release, found) if found is not None else None

        return await self._of(None, read)

    async def similar(self, kind: Kind[_Record], public_id: str, window: Window) -> Similar[_Record]:
        """A window of what is most like a track or an artist. Raises UnknownTrackError or UnknownArtistError."""
        return await self._of(None, lambda release: similar_list(self._redis, release, kind, public_id, window))

    async def artist(self, artist_id: str, window: Window) -> Similar[Artist]:
        """An artist, and a window of their tracks. Raises UnknownArtistError."""
        return await self._of(None, lambda release: artist_list(self._redis, release, artist_id, window))

    async def from_seeds(self, asked: SeedsAsked) -> SeedList:
        """A window of what follows from some artists, tracks and tags."""
        return await self._of(None, lambda release: seed_list(self._redis, release, asked))

    async def _of(self, name: str | None, read: Callable[[Release], Awaitable[_Found | None]]) -> _Found:
        """What is read of the live release, or of the one of that name, which may be the previous one.

        `read` returns None of a release that is not what it was (any more).
        """
        if name is not None:
            release = await self._releases.pinned(name)
            with unavailable_on_redis_error():
                found = await read(release)
            if found is None:
                raise ReleaseGoneError(name)
            return found
        release = self.last_seen or await self.live()
        for _ in range(READ_ATTEMPTS):
            with unavailable_on_redis_error():
                found = await read(release)
            if found is not None:
                return found
            release = await self.live()
        raise StoreUnavailableError("releases were published faster than one could be read")

    async def _read_popular(
        self, release: Release, pinned: bool, country: str | None
    ) -> tuple[Release, PopularList] | None:
        """What is popular in a country; None when the release is not live, or of one that is pinned kept, any more."""
        if not (await is_kept(self._redis, release.name) if pinned else release is await self.live()):
            return None
        popular = await popular_in(self._redis, release, country)
        return (release, popular) if popular is not None else None

    async def _read_item(
        self, release: Release, kind: Kind[_Record], public_id: str
    ) -> tuple[Release, Known[_Record]] | None:
        """A track or an artist of this release; None when it is not the live one (any more)."""
        key = await key_of(self._redis, kind, release.name, public_id)
        if key is None:
            return None
        where = f"the {kind.unknown.item} {public_id}"
        found = await require(self._redis, release.name, release.records_of(kind), [key], where)
        return (release, found[key]) if found is not None else None
