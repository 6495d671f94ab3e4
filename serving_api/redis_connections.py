"""Connections to Redis under uvloop."""

from typing import Any

from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError


class _Noticing:
    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            if "handler is closed" not in str(error):
                raise
            raise RedisConnectionError("the connection was closed") from error


def notice_closed_connections(pool: ConnectionPool) -> None:
    """Make the pool's connections raise redis-py's ConnectionError where they were closed before they are written to.

    uvloop raises RuntimeError then, which no client of a Redis that goes away expects.
    """
    base = pool.connection_class
    pool.connection_class = type(base.__name__, (_Noticing, base), {})
