"""Keeps what users block, or take back, until the warehouse is told."""

import asyncio
from collections.abc import Awaitable
from typing import cast

from redis.asyncio import Redis

from serving_api import contract
from serving_api.contract import BLOCK_CHANGES, BlockChange
from serving_api.errors import StoreUnavailableError, TooManyChangesError
from serving_api.reading import unavailable_on_redis_error, unpacked_changes

# Of one user, so that one key does not fill Redis: 100 bytes each.
MAX_CHANGES = 1000
# So often another process changes the blocks of the same user between a read and a write before it is given up.
ATTEMPTS = 20


class BlockChanges:
    """Writer of the changes that wait in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._replace = redis.register_script(contract.REPLACE_FIELD)
        # Within a process one change comes after the other, so that only another one can come in between.
        self._writing = asyncio.Lock()

    async def keep(self, user_id: str, change: BlockChange) -> None:
        """Keep a change; it holds for the next read. The same one again changes nothing.

        Raises StoreUnavailableError, UnreadableBlocksError where what is kept of the user cannot be read, and
        TooManyChangesError.
        """
        async with self._writing:
            for _ in range(ATTEMPTS):
                if await self._kept(user_id, change):
                    return
        raise StoreUnavailableError(f"others changed the blocks of a user {ATTEMPTS} times in a row")

    async def _kept(self, user_id: str, change: BlockChange) -> bool:
        """Whether the change is there now; not where somebody else wrote in between."""
        with unavailable_on_redis_error():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hget(BLOCK_CHANGES, user_id)
                (held,) = await pipe.execute(raise_on_error=False)
        before = unpacked_changes(held)
        changes = contract.with_change(before, change)
        if changes == before:
            return True
        if len(changes) > MAX_CHANGES:
            raise TooManyChangesError(MAX_CHANGES)
        arguments = [user_id, held or b"", contract.pack_block_changes(changes)]
        with unavailable_on_redis_error():
            return bool(await cast(Awaitable[int], self._replace(keys=[BLOCK_CHANGES], args=arguments)))
