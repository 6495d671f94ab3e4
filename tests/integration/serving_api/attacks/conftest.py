"""The API that attackers meet."""

from collections.abc import Iterator

import httpx
import pytest
from api_client import running_api
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish


@pytest.fixture(scope="module")
def api(module_redis_url: str) -> Iterator[httpx.Client]:
    """The API, with the sample release live; tests only read."""
    with Redis.from_url(module_redis_url) as client:
        publish(client, sample_release())
    with running_api(module_redis_url) as running:
        yield running
