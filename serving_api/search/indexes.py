"""Which search index answers: that of the live release, or of the one before while it is not there yet."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Literal, NamedTuple, cast

from fastapi import FastAPI

from serving_api import contract
from serving_api.answers import Release
from serving_api.batches import Batches
from serving_api.contract import SearchKind
from serving_api.errors import NoLiveReleaseError, SearchNotReadyError, StoreUnavailableError
from serving_api.observe.causes import text_of
from serving_api.reading import unavailable_on_redis_error
from serving_api.search.engine import Hit, SearchIndex
from serving_api.search.fetching import described_index, fetched_index
from serving_api.store import ReleaseStore

# How soon a new release is noticed where nobody searches, and how long what could not be read is left alone.
LOOK_SECONDS = 2.0
RETRY_SECONDS = 30.0
# How long a search waits for an index that is on its way: a small one takes less.
WAIT_SECONDS = 1.0
# Searches at once; more of them wait, up to so many.
THREADS = 4
MOST_WAITING = 100
READ_ATTEMPTS = 3

Fallback = Literal["previous_release", "too_few_listeners"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenIndex:
    """The index of a release that this process has opened."""

    release: Release
    index: SearchIndex
    listed: int
    """Names that are found by a part of them."""


@dataclass(frozen=True)
class FoundNames:
    """The answer to a search, all of it of one release: of each hit the JSON fields of its record, and the hit."""

    release: Release
    items: list[tuple[Hit, bytes]]
    fallback_reason: Fallback | None


class _Pointers(NamedTuple):
    live: bytes | None
    previous: bytes | None


class _Refused(NamedTuple):
    """A release whose index could not be opened."""

    release: str
    error: StoreUnavailableError | OSError
    again_at: float
    """When it may be tried again, by the monotonic clock in seconds."""


class SearchIndexes:
    """Keeps the index of the live release open, and searches it."""

    def __init__(self, store: ReleaseStore) -> None:
        self._store = store
        self._redis = store.redis
        self._open: OpenIndex | None = None
        self._looked = asyncio.Condition()
        self._hurry = asyncio.Event()
        self._searching = 0
        self._closing = False
        self._threads = ThreadPoolExecutor(THREADS, "search")
        self._pointers = Batches(self._read_pointers)
        self._refused: _Refused | None = None
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop watching for releases; waits for Redis where it is being read."""
        # Not cancelled: before Python 3.12 the client of Redis drops a cancellation that comes just as it has sent a
        # command (`asyncio.wait_for`), and the process would never end.
        self._closing = True
        self._hurry.set()
        await self._watching
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def search(self, typed: Sequence[str], kind: SearchKind | None, limit: int) -> FoundNames:
        """What is found by words in the live release, or in the previous one while its index is not there.

        Raises StoreUnavailableError; SearchNotReadyError where no index can answer.
        """
        for _ in range(READ_ATTEMPTS):
            opened, fallback = await self._answering()
            hits = await self._find(opened.index, typed, kind, limit)
            items = await self._with_records(opened.release, hits)
            # Only of a release that is being removed, or damaged, a record is missing; of the first, start again.
            if len(items) == len(hits) or opened.release.name.encode() in await self._pointers.ask(None):
                return FoundNames(opened.release, items, fallback)
        raise SearchNotReadyError("releases were published faster than one could be searched")

    async def _answering(self) -> tuple[OpenIndex, Fallback | None]:
        """The index that is to answer, and what it is in place of."""
        pointers = await self._pointers.ask(None)
        if pointers.live is None:
            raise NoLiveReleaseError("this Redis holds no release: none was published, or it has lost its data")
        opened = self._answers(pointers)
        refused = self._refused if self._refused and self._refused.release.encode() == pointers.live else None
        if opened is None and refused is None:
            await self._wait_for_look()
            opened = self._answers(pointers)
        if opened is None:
            raise SearchNotReadyError("the search index of the live release is not open") from refused and refused.error
        if opened.release.name.encode() == pointers.live:
            return opened, None if opened.listed else "too_few_listeners"
        if refused is None:
            self._hurry.set()
        return opened, "previous_release"

    def _answers(self, pointers: _Pointers) -> OpenIndex | None:
        """What is open, if its release is the live one or the previous one."""
        return self._open if self._open is not None and self._open.release.name.encode() in pointers else None

    async def _wait_for_look(self) -> None:
        """Wait until the process has looked for what is live, or until that takes longer than a search waits."""
        self._hurry.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS), self._looked:
                await self._looked.wait()

    async def _find(self, index: SearchIndex, typed: Sequence[str], kind: SearchKind | None, limit: int) -> list[Hit]:
        """What the index finds, in a thread: the process answers others meanwhile."""
        if self._searching >= MOST_WAITING:
            raise SearchNotReadyError(f"{self._searching} searches are waiting")
        self._searching += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, index.find, typed, kind, limit)
        finally:
            self._searching -= 1

    async def _with_records(self, release: Release, hits: Sequence[Hit]) -> list[tuple[Hit, bytes]]:
        """The hits that have a record in the release."""
        keys: dict[SearchKind, set[int]] = {kind: set() for kind in SearchKind}
        for hit in hits:
            keys[hit.kind].add(hit.key)
        shown: dict[tuple[SearchKind, int], bytes] = {}
        with unavailable_on_redis_error():
            tracks, artists = await asyncio.gather(
                release.tracks.of(self._redis, keys[SearchKind.TRACK]),
                release.artists.of(self._redis, keys[SearchKind.ARTIST]),
            )
        shown |= {(SearchKind.TRACK, key): known.shown for key, known in tracks.items()}
        shown |= {(SearchKind.ARTIST, key): known.shown for key, known in artists.items()}
        return [(hit, shown[hit.kind, hit.key]) for hit in hits if (hit.kind, hit.key) in shown]

    async def _read_pointers(self, asked: Sequence[None]) -> Sequence[_Pointers]:
        """What the pointers show, for each who asks at once."""
        with unavailable_on_redis_error():
            live, previous = await cast(
                Awaitable[list[bytes | None]], self._redis.mget(contract.LIVE, contract.PREVIOUS)
            )
        return [_Pointers(live, previous)] * len(asked)

    async def _watch(self) -> None:
        """Open the index of each release that goes live, until the process ends."""
        while not self._closing:
            self._hurry.clear()
            with suppress(StoreUnavailableError):
                await self._follow(await self._store.live())
            async with self._looked:
                self._looked.notify_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._hurry.wait()

    async def _follow(self, live: Release) -> None:
        """Open the index of the live release, where it is not open."""
        if self._open is not None and self._open.release.name == live.name:
            return
        if self._refused is not None and self._refused.release == live.name and monotonic() < self._refused.again_at:
            return
        try:
            description = await described_index(self._redis, live.name)
            if description is None:
                # What an app found before a rollback to such a release must not go on to be found.
                self._open = None
                raise SearchNotReadyError(f"the release {live.name} was published without a search index")
            self._open = OpenIndex(live, await fetched_index(self._redis, live.name, description), description.listed)
            self._refused = None
        # A disk without room is as bad as a damaged index.
        except (StoreUnavailableError, OSError) as error:
            _log.warning("the search index of the release %s cannot be opened: %s", live.name, text_of(error))
            self._refused = _Refused(live.name, error, monotonic() + RETRY_SECONDS)


@asynccontextmanager
async def searching(app: FastAPI, store: ReleaseStore) -> AsyncIterator[None]:
    """The indexes of a running app, as `app.state.search`."""
    indexes = SearchIndexes(store)
    app.state.search = indexes
    try:
        yield
    finally:
        await indexes.close()
