"""Reads the live release from Redis, following the pointer on every request."""

from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from serving_api import contract
from serving_api.contract import NO_SEED, SEED_REASON_TYPE, RankedList, ReleaseMeta, Track

REDIS_TIMEOUT_SECONDS = 0.5
MAX_CONNECTIONS = 64
# Reading what the pointer showed last, then what it shows now, then once more if that was removed meanwhile.
READ_ATTEMPTS = 3

Item = dict[str, Any]


class StoreUnavailableError(Exception):
    """Redis cannot answer at the moment."""

    slug: ClassVar[str] = "store-unavailable"
    title: ClassVar[str] = "The store does not answer"


class NoLiveReleaseError(StoreUnavailableError):
    """Redis answers, but nothing has been published to it."""

    slug = "no-live-release"
    title = "There is no live release"


class UnreadableReleaseError(StoreUnavailableError):
    """The live release is damaged, or was written by another version of the contract."""

    slug = "contract-mismatch"
    title = "The live release cannot be read"


class UnknownTrackError(Exception):
    """The live release has no track with this public id."""

    slug: ClassVar[str] = "unknown-track"
    title: ClassVar[str] = "Unknown track"


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for: `limit` items from `offset`, counted without the excluded tracks."""

    limit: int
    offset: int
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Page:
    """A window of a ranked list."""

    items: list[Item]
    next_offset: int | None


@dataclass(frozen=True)
class Release:
    """What this process keeps of a release: its description and its popular list, best first, unranked."""

    meta: ReleaseMeta
    popular: list[Item]

    def popular_page(self, window: Window) -> Page:
        """A window of the popular list; needs no Redis."""
        kept = [item for item in self.popular if item["track_id"] not in window.exclude]
        shown = kept[window.offset : window.offset + window.limit]
        return Page(
            [{"rank": rank, **item} for rank, item in enumerate(shown, window.offset + 1)],
            _next_offset(window, len(kept)),
        )


@dataclass(frozen=True)
class UserSlate:
    """The answer for one user and slate. `page` is None when the user has no list for the slate."""

    release: Release
    known: bool
    page: Page | None


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
                    raise NoLiveReleaseError("nothing has been published to this Redis yet")
                name = pointer.decode()
                if self.last_seen is None or self.last_seen.meta.release != name:
                    self.last_seen = await self._load(name) or self.last_seen
            if self.last_seen is not None and self.last_seen.meta.release == name:
                return self.last_seen
        raise StoreUnavailableError(f"the live pointer names the release {name}, which is not there")

    async def user_slate(self, user_id: str, slate: str, window: Window) -> UserSlate:
        """A window of a user's list, or what is known of the user when there is no such list."""
        release = self.last_seen or await self.live()
        for _ in range(READ_ATTEMPTS):
            with _unavailable_on_redis_error():
                found = await self._read_user_slate(release, user_id, slate, window)
            if found is not None:
                return found
            release = await self.live()
        raise StoreUnavailableError("releases were published faster than one could be read")

    async def track(self, track_id: str) -> tuple[Release, Track]:
        """A track of the live release by its public id. Raises UnknownTrackError."""
        release = self.last_seen or await self.live()
        for _ in range(READ_ATTEMPTS):
            name = release.meta.release
            with _unavailable_on_redis_error():
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.get(contract.LIVE)
                    pipe.hget(contract.track_ids_key(name), track_id)
                    live, field = await pipe.execute()
                if live == name.encode():
                    if field is None:
                        raise UnknownTrackError(f"the live release has no track with the id {track_id}")
                    tracks = await self._tracks(name, [contract.track_key(field)])
                    if tracks is not None:
                        return release, tracks[contract.track_key(field)]
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
        return Release(meta, list(_items(popular, tracks)))

    async def _read_user_slate(self, release: Release, user_id: str, slate: str, window: Window) -> UserSlate | None:
        """The answer from this release; None when it is not the live one (any more)."""
        name = release.meta.release
        excluded_ids = sorted(window.exclude)
        # One transaction: that the release is live, and everything read of it here, are of one instant.
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(contract.LIVE)
            pipe.hget(contract.slate_key(name, slate), user_id)
            for other in release.meta.slates:
                pipe.hexists(contract.slate_key(name, other), user_id)
            if excluded_ids:
                pipe.hmget(contract.track_ids_key(name), excluded_ids)
            live, packed, *rest = await pipe.execute()
        if live != name.encode():
            return None
        ranked = contract.unpack_list(packed) if packed is not None else None
        if ranked is None or not len(ranked.track_keys):
            return UserSlate(release, any(rest[: len(release.meta.slates)]), None)
        excluded = [contract.track_key(field) for field in rest[-1] if field] if excluded_ids else []
        kept = _without(ranked, np.array(excluded, dtype=np.int32))
        shown = kept.take(slice(window.offset, window.offset + window.limit))
        seeds = shown.seed_keys[shown.seed_keys != NO_SEED]
        tracks = await self._tracks(name, np.union1d(shown.track_keys, seeds).tolist())
        if tracks is None:
            return None
        items = [{"rank": rank, **item} for rank, item in enumerate(_items(shown, tracks), window.offset + 1)]
        return UserSlate(release, True, Page(items, _next_offset(window, len(kept.track_keys))))

    async def _tracks(self, release: str, keys: Sequence[int]) -> dict[int, Track] | None:
        """Tracks by key; None when one is missing, which means that the release has been removed."""
        if not keys:
            return {}
        fields = [contract.track_field(key) for key in keys]
        packed = await cast(Awaitable[list[bytes | None]], self._redis.hmget(contract.tracks_key(release), fields))
        tracks = {}
        for key, field, record in zip(keys, fields, packed, strict=True):
            if record is None:
                return None
            tracks[key] = contract.unpack_track(field, record)
        return tracks


def _without(ranked: RankedList, excluded: NDArray[np.int32]) -> RankedList:
    if not len(excluded):
        return ranked
    kept = ~np.isin(ranked.track_keys, excluded)
    return ranked.take(kept)


def _items(ranked: RankedList, tracks: dict[int, Track]) -> Iterator[Item]:
    # Scores stay float32, so that JSON shows their shortest text rather than the digits of a double.
    for key, score, seed in zip(ranked.track_keys.tolist(), ranked.scores, ranked.seed_keys.tolist(), strict=True):
        yield {**track_document(tracks[key]), "score": score, "reason": _reason(tracks.get(seed))}


def track_document(track: Track) -> dict[str, str | None]:
    """What an app is shown of a track: everything but the key, which never leaves the platform."""
    document = track._asdict()
    del document["track_key"]
    return document


def _reason(seed: Track | None) -> dict[str, str | None] | None:
    if seed is None:
        return None
    return {"type": SEED_REASON_TYPE, "track_id": seed.track_id, "title": seed.title}


def _next_offset(window: Window, total: int) -> int | None:
    end = window.offset + window.limit
    return end if end < total else None


@contextmanager
def _unavailable_on_redis_error() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        # The error's own text can name host and port, which callers of the API have no business with.
        raise StoreUnavailableError("Redis does not answer") from error
