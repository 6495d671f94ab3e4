"""How many requests a caller may send: counted in the process, told to Redis in groups."""

import asyncio
import logging
import math
import time
from typing import Any, NamedTuple

from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from serving_api.access.errors import TooManyError

# A group of hits waits no longer than that to be told to Redis ...
TELL_EVERY_SECONDS = 0.1
# ... once the caller has used this share of the limit here; of those below, no other process need know.
TOLD_FROM = 0.05
_FORGET_EVERY_SECONDS = 10.0
_PREFIX = "audotics:rate"

_log = logging.getLogger(__name__)


class Standing(NamedTuple):
    """What is left to a caller, in requests, and for how many seconds that counts."""

    limit: "Limit"
    remaining: int
    seconds: int

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """As draft-ietf-httpapi-ratelimit-headers has them."""
        state = b'"%b";r=%d;t=%d' % (self.limit.name, self.remaining, self.seconds)
        return [(b"ratelimit", state), (b"ratelimit-policy", self.limit.policy)]


class Limit:
    """A number of requests in a number of seconds, by its name in headers and in Redis."""

    def __init__(self, name: str, item: RateLimitItem) -> None:
        self.item = item
        self.amount = item.amount
        self.seconds = item.get_expiry()
        self.name = name.encode()
        self.policy = b'"%b";q=%d;w=%d' % (self.name, self.amount, self.seconds)
        self.told_from = self.amount * TOLD_FROM


class _Window:
    """The hits of one caller since the window began."""

    __slots__ = ("aligned", "all", "ends", "here", "limit", "untold")

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit = limit
        self.ends = now + limit.seconds
        self.here = 0
        """Let in by this process."""
        self.all = 0
        """As far as is known, by all processes."""
        self.untold = 0
        self.aligned = False
        """Whether the window ends when that in Redis does."""


class RateLimits:
    """Counts hits. What each process knows of the others is a group old at most; while Redis is silent, nothing.

    How far that lets callers over their limit is in docs/adr/0043-who-may.md.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        # The address is that of the pool.
        options: dict[str, Any] = {"connection_pool": pool}
        self._storage = RedisStorage("redis://", implementation="redispy", key_prefix=_PREFIX, **options)
        self._windows: dict[str, _Window] = {}
        self._untold: dict[str, _Window] = {}
        self._silent = False

    def hit(self, who: str, limit: Limit) -> Standing:
        """Count a request. Raises TooManyError, and then it does not count."""
        now = time.monotonic()
        window = self._windows.get(who)
        if window is None or now >= window.ends:
            window = self._windows[who] = _Window(limit, now)
        seconds = math.ceil(window.ends - now)
        if window.all >= limit.amount:
            headers = Standing(limit, 0, seconds).headers
            raise TooManyError(seconds, {name.decode(): value.decode() for name, value in headers})
        window.all += 1
        window.here += 1
        window.untold += 1
        if window.here >= limit.told_from:
            self._untold[who] = window
        return Standing(limit, limit.amount - window.all, seconds)

    async def keep_telling(self) -> None:
        """Tell Redis of hits as they come, until cancelled."""
        forgotten_at = time.monotonic()
        while True:
            await asyncio.sleep(TELL_EVERY_SECONDS)
            await self.tell()
            now = time.monotonic()
            if now - forgotten_at >= _FORGET_EVERY_SECONDS:
                self._windows = {who: window for who, window in self._windows.items() if now < window.ends}
                forgotten_at = now

    async def tell(self) -> None:
        """Tell Redis of the hits since the last time, and learn of those that other processes let in."""
        untold, self._untold = self._untold, {}
        now = time.monotonic()
        groups = [self._tell(who, window) for who, window in untold.items() if now < window.ends]
        results = await asyncio.gather(*groups, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        for failure in failures:
            if not isinstance(failure, RedisError):
                raise failure
        if failures and not self._silent:
            _log.warning("rate limits are counted in this process alone: %s", type(failures[0]).__name__)
        if results:
            self._silent = bool(failures)

    async def _tell(self, who: str, window: _Window) -> None:
        limit, cost = window.limit, window.untold
        window.untold = 0
        key = limit.item.key_for(limit.name.decode(), who)
        total = await self._storage.incr(key, limit.seconds, amount=cost)
        # A Redis that was silent, or has lost its data, knows less than this process.
        window.all = max(total, window.here - window.untold) + window.untold
        if not window.aligned:
            ends_at = await self._storage.get_expiry(key)
            window.ends = time.monotonic() + max(0.0, ends_at - time.time())
            window.aligned = True
