"""What a person reads when a server that was asked for cannot be used."""

import socket
from collections.abc import Iterator

import pytest

from warehouse.connections import check_redis, check_warehouse
from warehouse.errors import AudoticsError
from warehouse.local.servers import Endpoints


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def refusal_of_warehouse(url: str) -> str:
    with pytest.raises(AudoticsError) as raised:
        check_warehouse(url)
    return str(raised.value)


def refusal_of_redis(url: str) -> str:
    with pytest.raises(AudoticsError) as raised:
        check_redis(url)
    return str(raised.value)


def test_servers_that_answer_tell_their_versions(endpoints: Endpoints) -> None:
    assert check_warehouse(endpoints.warehouse_url).startswith("18.")
    assert int(check_redis(endpoints.redis_url).split(".")[0]) >= 6


def test_a_warehouse_that_is_down_is_named_by_host_and_port_without_the_password(closed_port: int) -> None:
    assert refusal_of_warehouse(f"postgresql://me:hunter2@127.0.0.1:{closed_port}/audotics") == (
        f"PostgreSQL at 127.0.0.1:{closed_port} is not reachable (connection refused); start it, or correct"
        " AUDOTICS_WAREHOUSE_URL (unset means the embedded server)"
    )


def test_a_redis_that_is_down_is_named_by_host_and_port_without_the_password(closed_port: int) -> None:
    assert refusal_of_redis(f"redis://:hunter2@127.0.0.1:{closed_port}/0") == (
        f"Redis at 127.0.0.1:{closed_port} is not reachable; start it, or correct AUDOTICS_REDIS_URL"
        " (unset means the embedded server)"
    )


def test_a_wrong_password_is_told_from_a_server_that_is_down(endpoints: Endpoints) -> None:
    warehouse_host = endpoints.warehouse_url.partition("@")[2]
    said = refusal_of_warehouse(f"postgresql://audotics:hunter2@{warehouse_host}")
    assert said.endswith("refuses this user and password; correct AUDOTICS_WAREHOUSE_URL")
    assert "hunter2" not in said
    redis_host = endpoints.redis_url.partition("@")[2]
    for credentials in ("", ":hunter2@", "someone:hunter2@"):
        said = refusal_of_redis(f"redis://{credentials}{redis_host}")
        assert said.endswith("refuses this password; correct AUDOTICS_REDIS_URL")
        assert "hunter2" not in said


def test_a_database_that_does_not_exist_is_said_so(endpoints: Endpoints) -> None:
    said = refusal_of_warehouse(endpoints.warehouse_url.rpartition("/")[0] + "/nowhere")
    assert said.endswith("has no such database; create it or correct AUDOTICS_WAREHOUSE_URL")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hunter2@db.example/audotics",
        "me:hunter2@db.example",
        "postgresql://me:hunter2@db.example:port/audotics",
        "postgresql://me:hunter2%zz@db.example/audotics",
        "postgresql://me:hunter2@127.0.0.1/audotics?nonsense=1",
    ],
)
def test_a_warehouse_url_that_cannot_be_read_is_refused_without_showing_the_password(url: str) -> None:
    said = refusal_of_warehouse(url)
    assert "URL" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("url", ["http://:hunter2@cache.example", "redis://:hunter2@cache.example:port/0"])
def test_a_redis_url_that_cannot_be_read_is_refused_without_showing_the_password(url: str) -> None:
    said = refusal_of_redis(url)
    assert "redis" in said.lower() or "server URL" in said
    assert "hunter2" not in said
