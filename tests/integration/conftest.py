"""Fixtures that the tests of publishing, of the read API and of the pipeline share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from api_client import running_api
from pipeline_process import Pipeline
from redis import Redis
from sample_pipeline import WORLD, run_once
from sample_release import sample_release

from assets.ingest.sample_world import generate
from assets.publish.release import publish
from warehouse.local.servers import Endpoints


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


@pytest.fixture(scope="session")
def planted(session_folder: Path) -> dict[str, int]:
    """The counts that the world of `pipeline` says were planted in it."""
    return dict(generate(session_folder / "pipeline" / "landing" / "lastfm-1k" / "world", WORLD))


@pytest.fixture(scope="session")
def pipeline(
    session_folder: Path, endpoints: Endpoints, new_owned_database: Callable[[], str], planted: dict[str, int]
) -> Pipeline:
    """A pipeline that has run once (`run_once`). All tests that ask for it run in one worker, file by file."""
    return run_once(session_folder / "pipeline", endpoints, new_owned_database)
