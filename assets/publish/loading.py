"""Writes the keys of a release."""

from collections.abc import Callable
from typing import Any

from redis import Redis

from assets.publish.connections import own_connection
from assets.publish.plan import Plan
from assets.publish.spool import Spool
from serving_api import contract

# So many commands are on their way at once: Redis never waits for the next one.
_UNDER_WAY = 4


def load(client: Redis, spool: Spool, plan: Plan, name: str, beat: Callable[[], object]) -> None:
    """Write every key of the release under a name that nothing reads yet. `beat` is called after every command.

    Where the connection is closed, everything is written again, which changes nothing of what has arrived.
    """
    with own_connection(client) as connection:
        connection.retry.call_with_retry(
            lambda: _write(connection, spool, name, beat), lambda _: connection.disconnect()
        )
    lists = {key(name): packed for key, packed in plan.lists.items()}
    client.mset({**lists, contract.meta_key(name): contract.pack_meta(plan.meta)})


def _write(connection: Any, spool: Spool, name: str, beat: Callable[[], object]) -> None:
    under_way = 0
    for command in spool.commands(name):
        connection.send_packed_command(command)
        under_way += 1
        if under_way > _UNDER_WAY:
            connection.read_response()
            under_way -= 1
            beat()
    for _ in range(under_way):
        connection.read_response()
        beat()
