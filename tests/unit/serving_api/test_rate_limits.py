"""Rate limits: exact in one process, near in several, alive without Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import limits
import pytest
from redis.asyncio import Redis

from serving_api.access.errors import TooManyError
from serving_api.access.rate_limits import Limit, RateLimits

NOWHERE = "redis://127.0.0.1:1/0"


def used(counted: RateLimits, limit: Limit, hits: int, who: str = "key:a") -> int:
    """How many of the hits are let in."""
    let_in = 0
    for _ in range(hits):
        try:
            counted.hit(who, limit)
        except TooManyError:
            continue
        let_in += 1
    return let_in


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await work()

    asyncio.run(whole())


def test_one_process_lets_in_exactly_the_limit_and_says_what_is_left() -> None:
    counted, limit = RateLimits(Redis.from_url(NOWHERE).connection_pool), Limit("service", limits.parse("10/minute"))
    standing = counted.hit("key:a", limit)
    assert standing.headers == [
        (b"ratelimit", b'"service";r=9;t=60'),
        (b"ratelimit-policy", b'"service";q=10;w=60'),
    ]
    assert used(counted, limit, 20) == 9
    with pytest.raises(TooManyError) as refused:
        counted.hit("key:a", limit)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
    assert refused.value.headers["ratelimit"].startswith('"service";r=0;t=')
    assert used(counted, limit, 20, "key:b") == 10


def test_a_window_ends() -> None:
    counted, limit = RateLimits(Redis.from_url(NOWHERE).connection_pool), Limit("service", limits.parse("3/second"))
    assert used(counted, limit, 5) == 3
    time.sleep(1.05)
    assert used(counted, limit, 5) == 3


def test_without_redis_each_process_counts_alone() -> None:
    async def work() -> None:
        counted = RateLimits(Redis.from_url(NOWHERE).connection_pool)
        limit = Limit("service", limits.parse("100/minute"))
        assert used(counted, limit, 60) == 60
        for _ in range(3):
            await counted.tell()
        assert used(counted, limit, 60) == 40

    run(work)
