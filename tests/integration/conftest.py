"""Fixtures that the tests of publishing and of the read API share."""

from collections.abc import Iterator

import httpx
import pytest
from api_client import running_api
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    """A client of the session's Redis, which is empty."""
    with Redis.from_url(redis_url) as connected:
        yield connected


@pytest.fixture
def other_client(redis_url: str) -> Iterator[Redis]:
    """Another, empty database of the same Redis, for the run that nothing disturbs."""
    with Redis.from_url(f"{redis_url.rpartition('/')[0]}/1") as connected:
        yield connected


@pytest.fixture
def api(client: Redis, redis_url: str) -> Iterator[httpx.Client]:
    """The API over HTTP, with the first sample release live."""
    publish(client, sample_release())
    with running_api(redis_url) as connected:
        yield connected
