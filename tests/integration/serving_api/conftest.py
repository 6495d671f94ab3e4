"""The read API on a Redis of its own."""

import pytest
from redis import Redis


@pytest.fixture
def redis_url(own_redis_url: str) -> str:
    """An empty Redis whose limits and counters belong to this test alone."""
    with Redis.from_url(own_redis_url) as client:
        client.flushall()
    return own_redis_url
