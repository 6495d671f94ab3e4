"""Servers given by URL: they are used as they are, and nothing is started in their place."""

from warehouse.local.servers import Endpoints, ServerStatus, ensure_running, status, stop
from warehouse.settings import Settings


def test_with_both_urls_set_nothing_starts_and_no_home_is_made(endpoints: Endpoints, fresh_home: Settings) -> None:
    given = Settings(
        home=fresh_home.home,
        warehouse_url=endpoints.warehouse_url.replace("postgresql://", "postgresql+psycopg2://"),
        redis_url=endpoints.redis_url,
    )
    assert ensure_running(given) == endpoints
    assert stop(given) == []
    assert [(found.embedded, found.running, found.pid) for found in status(given)] == [(False, True, None)] * 2
    assert not given.home.exists()


def test_with_one_url_set_only_the_other_server_starts(endpoints: Endpoints, fresh_home: Settings) -> None:
    given = fresh_home.model_copy(update={"warehouse_url": endpoints.warehouse_url})
    found = ensure_running(given)
    assert found.warehouse_url == endpoints.warehouse_url
    assert found.redis_url != endpoints.redis_url
    assert not (fresh_home.home / "postgres").exists()
    assert [server.title for server in status(fresh_home) if server.running] == ["Redis"]


def test_status_of_a_home_that_was_never_used_creates_nothing(fresh_home: Settings) -> None:
    assert status(fresh_home) == [
        ServerStatus("PostgreSQL", True, False, None, None, None),
        ServerStatus("Redis", True, False, None, None, None),
    ]
    assert stop(fresh_home) == []
    assert not fresh_home.home.exists()
