"""Connections on which more than one command is under way, so that Redis and the publisher work at the same time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from redis import Redis


@contextmanager
def own_connection(client: Redis) -> Iterator[Any]:
    """A connection of the client's, a redis.connection.AbstractConnection, whose methods have no types.

    It is given back at the end, and closed where answers may be left on it.
    """
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        with ExitStack() as unfinished:
            unfinished.callback(connection.disconnect)
            yield connection
            unfinished.pop_all()
    finally:
        pool.release(connection)


def scanned(client: Redis, key: str, entries_per_read: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """The fields and the payloads of a hash in chunks; Redis looks for the next chunk while the caller has this one.

    As HSCAN gives them: an entry that is there from the first to the last chunk is in at least one of them, and in more
    than one only where Redis made the hash smaller meanwhile. A connection that was closed is made again.
    """
    with own_connection(client) as connection:

        def ask(cursor: bytes) -> None:
            connection.send_command("HSCAN", key, cursor, "COUNT", entries_per_read)

        def ask_again(cursor: bytes, _: Exception) -> None:
            connection.disconnect()
            ask(cursor)

        cursor = b"0"
        ask(cursor)
        while True:
            cursor, flat = connection.retry.call_with_retry(connection.read_response, partial(ask_again, cursor))
            last = cursor == b"0"
            if not last:
                ask(cursor)
            if flat:
                yield flat[::2], flat[1::2]
            if last:
                return
