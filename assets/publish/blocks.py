"""What users have blocked, in Redis, where readers leave it out from the next request on.

The warehouse is the truth: a user's field in Redis is replaced as a whole by what raw.blocks says, under the lock of
blocks. It belongs to no release, so flips and rollbacks leave it as it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from redis import Redis
from sqlalchemy import Connection, Engine, text

from assets.blocks import LOCK, ItemKind, block, unblock
from assets.publish.content import ReleaseError
from assets.publish.failures import redis_errors
from assets.publish.packed_blocks import packed_blocks, write_blocks
from assets.publish.pulled_blocks import PulledBlocks, forget_changes, pull_blocks
from serving_api.contract import BLOCKS
from warehouse.locks import acquire

# Whoever wants to block something waits for one batch at most.
BLOCKS_PER_BATCH = 5000
FIELDS_PER_BATCH = 1000
USERS_PER_BATCH = 500
USERS_COMPARED = 1000
# Where blocks are written while readers must not see half of them.
_LOADING = f"{BLOCKS}:loading"


@dataclass(frozen=True)
class BlocksInRedis:
    """How Redis' blocks compare with the warehouse's."""

    users: int
    """Users who have blocked something, in the warehouse."""
    fields: int
    """Users whose blocks Redis has."""
    compared: int
    """Of the users in the warehouse, those whose blocks were compared."""
    differing: int
    """Of these, those whose blocks are others in Redis."""
    example: str | None
    """Id of one of these."""


def add_block(engine: Engine, client: Redis, user_id: str, kind: ItemKind, item_id: str) -> bool:
    """Block an item for a user in Redis, then in the warehouse; False when it was blocked before.

    Redis must never lack a block that the warehouse has. Where the process dies in between, or Redis fails, it may have
    one too many, which the next release takes out.

    Raises:
        AudoticsError: the warehouse knows no such user or item, others had the lock of blocks for too long.
        ReleaseError: Redis failed; the warehouse is as it was.
    """
    _pull(engine, client, user_id)
    with engine.begin() as connection:
        added = block(connection, user_id, kind, item_id)
        write_blocks(connection, client, [user_id])
    return added


def remove_block(engine: Engine, client: Redis, user_id: str, kind: ItemKind, item_id: str) -> bool:
    """Take a block back in the warehouse, then in Redis, the other way round for the same reason; False when there
    was none.

    Raises:
        AudoticsError: the warehouse knows no such user or item, others had the lock of blocks for too long.
        ReleaseError: Redis failed; the warehouse has the block no longer, and the same again tells Redis.
    """
    waiting = [each for _, each in _pull(engine, client, user_id).waiting if each.kind == kind]
    if of_item := {each for each in waiting if item_id in (each.item_id, each.listed_id)}:
        forget_changes(client, user_id, of_item)
        return True
    with engine.begin() as connection:
        removed = unblock(connection, user_id, kind, item_id)
    with engine.begin() as connection:
        # What is written is read under the lock, so a block that came since the commit is in it.
        acquire(connection.connection.cursor(), LOCK)
        try:
            write_blocks(connection, client, [user_id])
        except ReleaseError as error:
            raise ReleaseError(f"{error}; {kind} {item_id} is hidden from {user_id} until this is run again") from error
    return removed


def publish_blocks(engine: Engine, client: Redis, blocks_per_batch: int = BLOCKS_PER_BATCH) -> int:
    """Make Redis say what every user has blocked, batch by batch; returns the number of users who have.

    Readers see a user's blocks of before or of now; where the key is not of a hash, they show nobody a list until all
    are there. Killed and run again, it ends the same. `client` must not decode responses.

    Raises ReleaseError when Redis fails, AudoticsError when others had the lock of blocks for too long.
    """
    with redis_errors(client):
        client.unlink(_LOADING)
        damaged = _is_of_another_type(client)
    if damaged:
        _write_all(engine, client, _LOADING, blocks_per_batch)
        with redis_errors(client):
            client.rename(_LOADING, BLOCKS) if client.exists(_LOADING) else client.unlink(BLOCKS)
    # Others may have been told of blocks that came or went meanwhile.
    users = _write_all(engine, client, BLOCKS, blocks_per_batch)
    for fields in _fields(client):
        with engine.begin() as connection:
            acquire(connection.connection.cursor(), LOCK)
            if stale := _without_blocks(connection, fields):
                with redis_errors(client):
                    client.hdel(BLOCKS, *stale)
    return users


def _write_all(engine: Engine, client: Redis, key: str, blocks_per_batch: int) -> int:
    """Write what every user has blocked into a hash; returns the number of users who have."""
    users, last = 0, -1
    while True:
        with engine.begin() as connection:
            acquire(connection.connection.cursor(), LOCK)
            found = _batch(connection, last, blocks_per_batch)
            if found is None:
                return users
            packed, last = found
            with redis_errors(client):
                client.hset(key, mapping=cast(Any, packed))
            users += len(packed)


def _is_of_another_type(client: Redis) -> bool:
    return client.type(BLOCKS) not in (b"hash", b"none")


def publish_users(engine: Engine, client: Redis, user_ids: Sequence[str]) -> None:
    """Make Redis say what these users have blocked, batch by batch, as after a load of blocks or its undoing.

    Raises ReleaseError when Redis fails, AudoticsError when others had the lock of blocks for too long.
    """
    for start in range(0, len(user_ids), USERS_PER_BATCH):
        batch = list(user_ids[start : start + USERS_PER_BATCH])
        with engine.begin() as connection:
            acquire(connection.connection.cursor(), LOCK)
            write_blocks(connection, client, batch)


def compare_blocks(engine: Engine, client: Redis, sample: int = USERS_COMPARED) -> BlocksInRedis:
    """Compare what Redis says that users have blocked with the warehouse: how many have, and what a random sample has.

    Changes nothing. Counting aside, it costs the same for any number of users. Raises ReleaseError when Redis fails.
    """
    with engine.begin() as connection:
        users = connection.scalar(_USERS) or 0
        packed = packed_blocks(connection, list(connection.scalars(_RANDOM_USERS, {"users": sample})))
    with redis_errors(client):
        if _is_of_another_type(client):
            raise ReleaseError(f"{BLOCKS} is not a hash in Redis; `audotics blocks publish` writes it again")
        fields = client.hlen(BLOCKS)
        held = cast(list[bytes | None], client.hmget(BLOCKS, list(packed))) if packed else []
    differing = [user_id for user_id, other in zip(packed, held, strict=True) if packed[user_id] != other]
    return BlocksInRedis(users, fields, len(packed), len(differing), min(differing, default=None))


def _pull(engine: Engine, client: Redis, user_id: str) -> PulledBlocks:
    """Carry what the user asked for over HTTP: it came before a change by command, and must not stay on top of it."""
    pulled = pull_blocks(engine, client, [user_id])
    pulled.require_readable()
    return pulled


def _batch(connection: Connection, after: int, blocks: int) -> tuple[dict[str, bytes], int] | None:
    """Packed blocks by user id of the next users, whole ones only, and the last one's key; None after the last."""
    keys = list(connection.scalars(_NEXT_USERS, {"after": after, "blocks": blocks}))
    return (packed_blocks(connection, keys), keys[-1]) if keys else None


def _fields(client: Redis) -> Iterator[list[bytes]]:
    """The fields of all users whose blocks Redis has, in batches."""
    with redis_errors(client):
        found = client.hscan_iter(BLOCKS, count=FIELDS_PER_BATCH)
        while chunk := [field for field, _ in islice(found, FIELDS_PER_BATCH)]:
            yield chunk


def _without_blocks(connection: Connection, fields: Sequence[bytes]) -> list[bytes]:
    """Those of the fields that are of no user who has blocked something, such as what can be no user's id."""
    user_ids = [user_id for field in fields if (user_id := _user_id(field)) is not None]
    blocked = {user_id.encode() for user_id in connection.scalars(_WITH_BLOCKS, {"ids": user_ids})}
    return [field for field in fields if field not in blocked]


def _user_id(field: bytes) -> str | None:
    """The id that a field is for; None where PostgreSQL can have no such text."""
    try:
        return None if b"\0" in field else field.decode()
    except UnicodeDecodeError:
        return None


_USERS = text("select count(distinct user_key) from raw.blocks")
_RANDOM_USERS = text(
    "select user_key from (select distinct user_key from raw.blocks) as users order by random() limit :users"
)
_NEXT_USERS = text(
    "select distinct user_key from"
    " (select user_key from raw.blocks where user_key > :after order by user_key limit :blocks) as batch"
    " order by user_key"
)
_WITH_BLOCKS = text(
    "select user_id from raw.users where user_id = any(:ids)"
    " and exists (select from raw.blocks where blocks.user_key = users.user_key)"
)
