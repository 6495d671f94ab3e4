"""How much room a Redis has, here and elsewhere."""

from typing import Any

import psutil
import pytest

from assets.publish.memory import memory_left

GIB = 1024**3
INFO = {"maxmemory": 0, "used_memory": 2 * GIB, "used_memory_rss": 3 * GIB, "total_system_memory": 10_000 * GIB}


@pytest.mark.parametrize("host", ["redis.example.org", "10.0.0.7", "2001:db8::1"])
def test_of_another_machine_its_own_figures_count(host: str) -> None:
    assert memory_left(INFO, {"host": host}) == (9_997 * GIB, "on its machine")


@pytest.mark.parametrize(
    "address",
    [{"host": "127.0.0.1"}, {"host": "127.0.0.2"}, {"host": "::1"}, {"host": "localhost"}, {"path": "/r.sock"}],
)
def test_on_this_machine_the_system_says_what_is_free(address: dict[str, Any]) -> None:
    free, where = memory_left(INFO, address)
    assert where == "on this machine"
    assert 0 < free <= psutil.virtual_memory().total


@pytest.mark.parametrize("host", ["redis.example.org", "127.0.0.1"])
def test_a_limit_of_its_own_comes_first(host: str) -> None:
    assert memory_left(INFO | {"maxmemory": 5 * GIB}, {"host": host}) == (3 * GIB, "under its maxmemory")


def test_a_service_that_hides_its_size_is_not_refused() -> None:
    assert memory_left(INFO | {"total_system_memory": 0}, {"host": "redis.example.org"})[0] > 1_000_000 * GIB
