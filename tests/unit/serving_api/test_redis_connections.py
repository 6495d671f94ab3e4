"""A connection that uvloop has closed is one that Redis has closed."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Connection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError

from serving_api.redis_connections import notice_closed_connections


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        ("unable to perform operation on <TCPTransport closed=True>; the handler is closed", RedisConnectionError),
        ("something else", RuntimeError),
    ],
)
def test_writing_to_a_closed_connection_is_an_error_of_redis(said: str, raised: type[Exception]) -> None:
    class Closed(Connection):
        async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            raise RuntimeError(said)

    async def ask() -> None:
        pool = ConnectionPool(connection_class=Closed)
        notice_closed_connections(pool)
        await pool.make_connection().send_packed_command(b"PING")

    with pytest.raises(raised):
        asyncio.run(ask())
