"""What Redis replies, and which errors its replies are."""

from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from serving_api import contract
from serving_api.contract import NO_BLOCKS, BlockChange, Blocks, ContractError
from serving_api.errors import SilentStoreError, StoreUnavailableError, UnreadableBlocksError

# Of commands that go together some may fail, and the others have their answers.
Reply = bytes | RedisError | None


def value(reply: Any) -> Any:
    """What was replied. Raises the RedisError that was."""
    if isinstance(reply, RedisError):
        raise reply
    return reply


def replies(reply: Any, count: int) -> Sequence[Reply]:
    """What a command that reads many fields replied for each of them; its error for each, where it failed."""
    return [reply] * count if isinstance(reply, RedisError) else cast(Sequence[Reply], reply)


def unpacked_blocks(packed: Reply, packed_changes: Reply) -> Blocks:
    """What a user has blocked: what the warehouse said, changed by what they asked for since.

    Raises UnreadableBlocksError: nothing is shown to whoever may have blocked it.
    """
    try:
        found = value(packed)
        blocks = contract.unpack_blocks(found) if found is not None else NO_BLOCKS
    except ContractError as error:
        raise UnreadableBlocksError(f"{error}; `audotics blocks publish` writes all of them again") from error
    except RedisError as error:
        raise UnreadableBlocksError(
            f"Redis answers, but refuses to read {contract.BLOCKS}: allow it to the API or, if it is not a hash,"
            " delete it and run `audotics blocks publish`"
        ) from error
    changes = unpacked_changes(packed_changes)
    return contract.changed_blocks(blocks, changes) if changes else blocks


def unpacked_changes(packed: Reply) -> list[BlockChange]:
    """What a user has changed of their blocks since the warehouse was told. Raises UnreadableBlocksError."""
    try:
        found = value(packed)
        return contract.unpack_block_changes(found) if found is not None else []
    except ContractError as error:
        raise UnreadableBlocksError(f"{error}; `audotics doctor` says whose they are, and what to do") from error
    except RedisError as error:
        raise UnreadableBlocksError(
            f"Redis answers, but refuses to read {contract.BLOCK_CHANGES}: allow it to the API or, if it is not a hash,"
            " rename it"
        ) from error


def reads(redis: Redis) -> Pipeline:
    """What goes to Redis together, one command after the other, and nothing but reads.

    Not in a `MULTI`: in one, a Redis that is at its `maxmemory` refuses reads as well. Other clients may come in
    between, so the pointers are read after all else: a release that they show then has lost nothing before. Changes of
    blocks are read before the blocks that they go into.
    """
    return redis.pipeline(transaction=False)


def is_shown(pointers: Any, release: str, pinned: bool) -> bool:
    """Whether the live pointer shows the release; of one that is pinned, whether any of the two does.

    pointers: what Redis replied for LIVE and PREVIOUS. Raises the RedisError that it replied.
    """
    live, previous = value(pointers)
    return release.encode() in ((live, previous) if pinned else (live,))


async def is_kept(redis: Redis, release: str) -> bool:
    """Whether the release is the live or the previous one, so that nothing of it has been removed."""
    pointers = await cast(Awaitable[list[bytes | None]], redis.mget(contract.LIVE, contract.PREVIOUS))
    return is_shown(pointers, release, pinned=True)


def refused(error: RedisError) -> StoreUnavailableError:
    """What the API makes of an error that Redis answers with."""
    unavailable = StoreUnavailableError("Redis answers with an error")
    unavailable.__cause__ = error
    return unavailable


@contextmanager
def unavailable_on_redis_error() -> Iterator[None]:
    """Raise StoreUnavailableError for errors of Redis, SilentStoreError where it gives no answer at all."""
    try:
        yield
    # The error's own text can name host and port, which callers of the API have no business with.
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise SilentStoreError("Redis does not answer") from error
    except RedisError as error:
        raise refused(error) from error
