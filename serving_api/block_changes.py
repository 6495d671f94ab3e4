"""Keeps what users block, or take back, until the warehouse is told."""

from collections.abc import Mapping, Sequence
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from serving_api import contract
from serving_api.batches import Batches
from serving_api.contract import BLOCK_CHANGES, BlockChange
from serving_api.errors import StoreUnavailableError, TooManyChangesError, UnreadableBlocksError
from serving_api.reading import Reply, reads, refused, replies, unavailable_on_redis_error, unpacked_changes

# Of one user: some two thousand changes, and fewer where ids are long. Every list of the user is read with them.
MAX_BYTES = 128 * 1024
# Other processes may change the blocks of the same user between a read and a write: give up after so many lost races.
ATTEMPTS = 20

_Ask = tuple[str, BlockChange]


class BlockChanges:
    """Writer of the changes that wait in Redis; those that come while it writes are written together after that."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._batches: Batches[_Ask, None] = Batches(self._write)

    async def keep(self, user_id: str, change: BlockChange) -> None:
        """Keep a change; it holds for the next read. The same one again changes nothing.

        Raises StoreUnavailableError, UnreadableBlocksError where what is kept of the user cannot be read, and
        TooManyChangesError.
        """
        await self._batches.ask((user_id, change))

    async def _write(self, asks: Sequence[_Ask]) -> Sequence[Exception | None]:
        """Keep all of them; an error in the place of each that is not kept."""
        outcomes: list[Exception | None] = [None] * len(asks)
        places: dict[str, list[int]] = {}
        for place, (user_id, _) in enumerate(asks):
            places.setdefault(user_id, []).append(place)
        for _ in range(ATTEMPTS):
            places = await self._lost_races(asks, places, outcomes)
            if not places:
                return outcomes
        for place in (each for of_user in places.values() for each in of_user):
            outcomes[place] = StoreUnavailableError(f"others changed the blocks of a user {ATTEMPTS} times in a row")
        return outcomes

    async def _lost_races(
        self, asks: Sequence[_Ask], places: Mapping[str, list[int]], outcomes: list[Exception | None]
    ) -> dict[str, list[int]]:
        """Write what is asked for each user if nobody else writes in between; the users where somebody did."""
        with unavailable_on_redis_error():
            async with reads(self._redis) as pipe:
                pipe.hmget(BLOCK_CHANGES, list(places))
                (found,) = await pipe.execute(raise_on_error=False)
        written = []
        async with self._redis.pipeline(transaction=False) as pipe:
            for (user_id, of_user), held in zip(places.items(), replies(found, len(places)), strict=True):
                packed = _packed(held, [asks[place] for place in of_user], of_user, outcomes)
                if packed is not None:
                    pipe.eval(contract.REPLACE_FIELD, 1, BLOCK_CHANGES, user_id, cast(bytes, held or b""), packed)
                    written.append(user_id)
            with unavailable_on_redis_error():
                replaced = await pipe.execute(raise_on_error=False) if written else []
        for user_id, reply in zip(written, replaced, strict=True):
            if isinstance(reply, RedisError):
                for place in places[user_id]:
                    outcomes[place] = outcomes[place] or refused(reply)
        return {user_id: places[user_id] for user_id, reply in zip(written, replaced, strict=True) if reply == 0}


def _packed(held: Reply, asks: Sequence[_Ask], places: Sequence[int], outcomes: list[Exception | None]) -> bytes | None:
    """The field of a user with these changes; None where it stays as it is."""
    try:
        changes = before = unpacked_changes(held)
    except UnreadableBlocksError as error:
        for place in places:
            outcomes[place] = error
        return None
    for place, (_, change) in zip(places, asks, strict=True):
        more = contract.with_change(changes, change)
        fits = len(more) <= len(changes) or len(contract.pack_block_changes(more)) <= MAX_BYTES
        outcomes[place] = None if fits else TooManyChangesError()
        changes = more if fits else changes
    return contract.pack_block_changes(changes) if changes != before else None
