"""Moves what users blocked, or took back, over HTTP from Redis into the warehouse.

Until then it holds by itself: readers put it on top of what the warehouse says. It goes from Redis only after the
warehouse has it, so that wherever this is killed, the same again ends the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from redis import Redis
from sqlalchemy import Engine, text

from assets.blocks import LOCK
from assets.ingest import merge_sql
from assets.publish.content import ReleaseError
from assets.publish.failures import redis_errors
from assets.publish.packed_blocks import write_blocks
from serving_api import contract
from serving_api.contract import BLOCK_CHANGES, BlockChange, ContractError
from warehouse.locks import acquire

USERS_PER_BATCH = 500


@dataclass
class PulledBlocks:
    """What came of the changes in Redis."""

    users: int = 0
    """Users whose changes the warehouse was told of."""
    blocked: int = 0
    """Blocks that the warehouse did not have."""
    unblocked: int = 0
    """Blocks that it had, and has no longer."""
    waiting: list[tuple[str, BlockChange]] = field(default_factory=list)
    """User and block of what the warehouse does not know yet; readers leave it out all the same."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """What is wrong with the changes of a user, by the id; that user is shown no list."""

    def require_readable(self) -> None:
        """Raise ReleaseError where changes could not be read."""
        for user_id, fault in self.unreadable.items():
            raise ReleaseError(
                f"{fault} (user {user_id!r}, of {len(self.unreadable)}); no list is shown to them until the field is"
                f" put right in {BLOCK_CHANGES} or deleted (HGET, HDEL)"
            )


def pull_blocks(engine: Engine, client: Redis, user_ids: Sequence[str] | None = None) -> PulledBlocks:
    """Tell the warehouse what users have changed, or these users; then Redis forgets it.

    Users whom the warehouse does not know are added to it. What was said last counts: a change that comes meanwhile
    stays in Redis. `client` must not decode responses.

    Raises:
        ReleaseError: Redis failed, before or after the warehouse was told; the same again ends the same.
        AudoticsError: others had the lock of loading or of blocks for too long.
    """
    pulled = PulledBlocks()
    for batch in _batches(client, user_ids):
        changes: dict[str, list[BlockChange]] = {}
        for user, packed in batch.items():
            try:
                changes[_user_id(user)] = contract.unpack_block_changes(packed)
            except ContractError as error:
                pulled.unreadable[user.decode(errors="backslashreplace")] = str(error)
        if changes:
            _pull(engine, client, changes, pulled)
    return pulled


def pending_changes(client: Redis) -> tuple[int, list[str]]:
    """How many users have changes in Redis, and those whose changes cannot be read. Raises ReleaseError."""
    users, unreadable = 0, []
    for batch in _batches(client, None):
        users += len(batch)
        for user, packed in batch.items():
            try:
                _user_id(user)
                contract.unpack_block_changes(packed)
            except ContractError:
                unreadable.append(user.decode(errors="backslashreplace"))
    return users, sorted(unreadable)


def _batches(client: Redis, user_ids: Sequence[str] | None) -> Iterator[dict[bytes, bytes]]:
    """The packed changes by user, in batches."""
    with redis_errors(client):
        if client.type(BLOCK_CHANGES) not in (b"hash", b"none"):
            raise ReleaseError(f"{BLOCK_CHANGES} is not a hash in Redis, so no list is shown to anybody: rename it")
        if user_ids is not None:
            held = cast(list[bytes | None], client.hmget(BLOCK_CHANGES, list(user_ids)))
            yield {user.encode(): packed for user, packed in zip(user_ids, held, strict=True) if packed is not None}
            return
        found = client.hscan_iter(BLOCK_CHANGES, count=USERS_PER_BATCH)
        while batch := dict(islice(found, USERS_PER_BATCH)):
            yield batch


def _user_id(user: bytes) -> str:
    try:
        return user.decode()
    except UnicodeDecodeError as error:
        raise ContractError(f"{user!r} cannot be a user's id, as it is not UTF-8") from error


def _pull(engine: Engine, client: Redis, changes: Mapping[str, list[BlockChange]], pulled: PulledBlocks) -> None:
    given = [(user_id, each.kind, each.item_id, each.blocked) for user_id, said in changes.items() for each in said]
    names = ("users", "kinds", "items", "blocked")
    parameters: dict[str, Any] = dict(zip(names, map(list, zip(*given, strict=True)), strict=True))
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        # Who is new gets the next key, as a load gives it; loads take the locks in this order as well.
        if connection.scalar(_ANYBODY_NEW, parameters):
            acquire(cursor, merge_sql.LOCK)
        acquire(cursor, LOCK)
        connection.execute(_USERS, parameters)
        connection.execute(_GIVEN, parameters)
        unknown = {tuple(row) for row in connection.execute(_UNKNOWN)}
        blocked = connection.execute(_BLOCK).rowcount
        connection.execute(_KEEP)
        connection.execute(_UNSAY)
        unblocked = connection.execute(_UNBLOCK).rowcount
        # Redis must not lack a block that the warehouse has; the changes are still on top of it.
        write_blocks(connection, client, list(connection.scalars(_KNOWN_USERS, parameters)))
    pulled.blocked += blocked
    pulled.unblocked += unblocked
    for user_id, said in changes.items():
        waiting = [each for each in said if (user_id, each.kind, each.item_id) in unknown]
        pulled.waiting += [(user_id, each) for each in waiting]
        done = set(said) - set(waiting)
        if done:
            pulled.users += 1
            _forget(client, user_id, done)


def _forget(client: Redis, user_id: str, done: set[BlockChange]) -> None:
    """Take from Redis what the warehouse has been told, and nothing that was said since."""
    replace = client.register_script(contract.REPLACE_FIELD)
    with redis_errors(client):
        while (held := cast(bytes | None, client.hget(BLOCK_CHANGES, user_id))) is not None:
            left = [each for each in contract.unpack_block_changes(held) if each not in done]
            if replace(keys=[BLOCK_CHANGES], args=[user_id, held, contract.pack_block_changes(left)]):
                return


_NEW = (
    "select distinct user_id from unnest(cast(:users as text[]), cast(:kinds as text[]), cast(:items as text[]),"
    " cast(:blocked as boolean[])) as given (user_id, kind, item_id, blocked)"
    " where blocked and not exists (select from raw.users where users.user_id = given.user_id)"
    " and case kind when 'track' then exists (select from raw.tracks where track_id = item_id)"
    " else exists (select from raw.artists where artist_id = item_id) end"
)
_ANYBODY_NEW = text(f"select exists ({_NEW})")
_USERS = text(
    "insert into raw.users (user_key, user_id, listener_key)"
    " select (select coalesce(max(user_key) + 1, 0) from raw.users) + row_number() over (order by user_id) - 1,"
    f" user_id, raw.listener_key(user_id) from ({_NEW}) as new"
)
_GIVEN = text(
    "create temporary table given_changes on commit drop as"
    " select given.*, user_key, coalesce(track_key, artists.artist_key) as item_key"
    " from unnest(cast(:users as text[]), cast(:kinds as text[]), cast(:items as text[]), cast(:blocked as boolean[]))"
    " as given (user_id, kind, item_id, blocked) left join raw.users using (user_id)"
    " left join raw.tracks on kind = 'track' and track_id = item_id"
    " left join raw.artists on kind = 'artist' and artist_id = item_id"
)
# To take back what is not known changes nothing.
_UNKNOWN = text("select user_id, kind, item_id from given_changes where blocked and item_key is null")
# By the clock and under the lock, as `settled_blocks` takes every block up to an instant for committed.
_BLOCK = text(
    "insert into raw.blocks (user_key, item_kind, item_key, created_at)"
    " select user_key, kind, item_key, clock_timestamp() from given_changes where blocked and item_key is not null"
    " on conflict do nothing"
)
_SAME = "blocks.user_key = given.user_key and item_kind = kind and blocks.item_key = given.item_key"
# What a file had brought is the user's own from then on, so that it outlives the undoing of the file.
_KEEP = text(
    "update raw.blocks set file_id = null from given_changes as given"
    f" where {_SAME} and blocked and file_id is not null"
)
# Nor does it come back when one of the files that state it is undone.
_UNSAY = text(f"delete from raw.block_mentions as blocks using given_changes as given where {_SAME} and not blocked")
_UNBLOCK = text(f"delete from raw.blocks using given_changes as given where {_SAME} and not blocked")
_KNOWN_USERS = text("select user_id from raw.users where user_id = any(:users)")
