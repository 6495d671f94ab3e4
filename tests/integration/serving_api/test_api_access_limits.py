"""Rate limits over HTTP, and what several processes know of each other."""

import asyncio
import time
from collections.abc import Iterator

import httpx
import limits
import pytest
from api_client import problem, running_api
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api.access.errors import TooManyError
from serving_api.access.key_admin import create_key
from serving_api.access.rate_limits import TOLD_FROM, Limit, RateLimits
from serving_api.access.scopes import ROLES

LISTS = "/v1/users/user_7/recommendations"


@pytest.fixture
def headers(client: Redis) -> dict[str, str]:
    publish(client, sample_release())
    return {"Authorization": f"Bearer {create_key(client, 'app', sorted(ROLES['app']), None).secret}"}


@pytest.fixture
def api(redis_url: str, headers: dict[str, str]) -> Iterator[httpx.Client]:
    with running_api(redis_url, api_auth="keys", api_rate_limit="20/minute") as connected:
        yield connected


def test_beyond_the_limit_it_says_when_there_is_room_again(
    api: httpx.Client, redis_url: str, headers: dict[str, str]
) -> None:
    left = [api.get(LISTS, headers=headers).headers["ratelimit"].split(";")[1] for _ in range(20)]
    assert left == [f"r={number}" for number in range(19, -1, -1)]
    refused = api.get("/v1/popular", headers=headers)
    problem(refused, 429, "too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-policy"] == '"service";q=20;w=60'
    assert api.get("/livez", headers=headers).status_code == 200
    # Another process has learned of it by now, after its first request.
    time.sleep(0.3)
    with running_api(redis_url, api_auth="keys", api_rate_limit="20/minute") as other:
        assert other.get(LISTS, headers=headers).status_code == 200
        time.sleep(0.3)
        problem(other.get(LISTS, headers=headers), 429, "too-many-requests")


def test_refused_callers_are_not_counted_and_not_told_apart(api: httpx.Client) -> None:
    for _ in range(30):
        problem(api.get(LISTS, headers={"Authorization": "Bearer aud_x"}), 401, "not-authenticated")


def test_processes_let_in_no_more_than_the_bound_says(redis_url: str) -> None:
    """Four processes, hit evenly as fast as they can be, told every 100 hits of each."""

    async def work() -> int:
        limit = Limit("service", limits.parse("1000/minute"))
        clients = [AsyncRedis.from_url(redis_url) for _ in range(4)]
        processes = [RateLimits(client.connection_pool) for client in clients]
        let_in = 0
        for _ in range(10):
            for process in processes:
                for _ in range(100):
                    try:
                        process.hit("key:a", limit)
                        let_in += 1
                    except TooManyError:
                        pass
            for process in processes:
                await process.tell()
        for client in clients:
            await client.aclose()
        return let_in

    let_in = asyncio.run(work())
    assert 1000 <= let_in <= 1000 + 3 * (TOLD_FROM * 1000 + 100)


def test_a_caller_with_few_requests_costs_redis_nothing(client: Redis, redis_url: str) -> None:
    async def work() -> None:
        connected = AsyncRedis.from_url(redis_url)
        counted = RateLimits(connected.connection_pool)
        limit = Limit("listener", limits.parse("600/minute"))
        for number in range(50):
            counted.hit(f"sub:{number}", limit)
        await counted.tell()
        assert not client.keys("audotics:rate*")
        for _ in range(30):
            counted.hit("sub:1", limit)
        await counted.tell()
        (key,) = client.keys("audotics:rate*")  # type: ignore[misc]
        assert client.get(key) == b"31"
        assert 0 < client.ttl(key) <= 60  # type: ignore[operator]
        await connected.aclose()

    asyncio.run(work())
