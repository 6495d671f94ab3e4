"""Fixtures that the tests of publishing, of the read API and of the pipeline share."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_client import running_api, running_redis
from dbt_process import Dbt
from pipeline_process import Pipeline
from redis import Redis
from sample_pipeline import PipelineTemplate, copy_pipeline, pipeline_template
from sample_release import sample_release
from sample_warehouse import build_sample
from shared_servers import SharedServers

from assets.publish.release import publish


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    """A client of an empty database of Redis."""
    with Redis.from_url(redis_url) as connected:
        yield connected


@pytest.fixture
def other_client(servers: SharedServers) -> Iterator[Redis]:
    """A client of another one, for the run that nothing disturbs."""
    with servers.redis() as url, Redis.from_url(url) as connected:
        yield connected


@pytest.fixture(scope="module")
def own_redis_url() -> Iterator[str]:
    """A Redis of this module alone, for tests that set or read what holds for a whole server."""
    with running_redis() as (_, url):
        yield url


@pytest.fixture
def api(client: Redis, redis_url: str) -> Iterator[httpx.Client]:
    """The API over HTTP, with the first sample release live."""
    publish(client, sample_release())
    with running_api(redis_url) as connected:
        yield connected


@pytest.fixture(scope="session")
def sample_world(servers: SharedServers) -> Path:
    """The folder of the world of `sample`, to read."""
    return servers.folder / "sample"


@pytest.fixture(scope="session")
def sample_template(servers: SharedServers, sample_world: Path) -> str:
    """The name of the sample warehouse (`build_sample`), to copy from."""

    def fill(url: str) -> None:
        build_sample(url, sample_world)

    return servers.template("sample", fill, start=servers.migrated())


@pytest.fixture(scope="module")
def sample(servers: SharedServers, sample_template: str) -> Dbt:
    """The sample warehouse, in a copy for this module; every test leaves it as it was."""
    return Dbt(servers.create(sample_template))


@pytest.fixture
def own_sample(servers: SharedServers, sample_template: str) -> Iterator[Dbt]:
    """Another copy, for a test that changes what stands in it."""
    dbt = Dbt(servers.create(sample_template))
    yield dbt
    servers.drop(dbt.warehouse_url)


@pytest.fixture(scope="session")
def pipeline_made(servers: SharedServers) -> PipelineTemplate:
    """The pipeline that has run once, for `pipeline` to copy."""
    return pipeline_template(servers)


@pytest.fixture(scope="session")
def planted(pipeline_made: PipelineTemplate) -> dict[str, int]:
    """The counts that the world of `pipeline` says were planted in it."""
    return pipeline_made.planted


@pytest.fixture(scope="module")
def pipeline(
    servers: SharedServers,
    pipeline_made: PipelineTemplate,
    module_redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Pipeline:
    """A pipeline that has run once (`run_once`), in a copy for this module; every test leaves it as it was."""
    return copy_pipeline(servers, pipeline_made, module_redis_url, tmp_path_factory.mktemp("pipeline") / "home")


@pytest.fixture
def own_pipeline(servers: SharedServers, pipeline_made: PipelineTemplate, tmp_path: Path) -> Iterator[Pipeline]:
    """Another copy, for a test that changes what stands in it."""
    with servers.redis() as redis_url:
        copied = copy_pipeline(servers, pipeline_made, redis_url, tmp_path / "home")
        yield copied
        servers.drop(copied.warehouse_url)
