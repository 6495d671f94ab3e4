"""Moves what users blocked, or took back, over HTTP from Redis into the warehouse.

Until then it holds by itself: readers put it on top of what the warehouse says. It goes from Redis only after the
warehouse has it, so that wherever this is killed, the same again ends the same.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

from redis import Redis
from sqlalchemy import Engine, text

from assets.blocks import GIVEN_CHANGES, LOCK, Change, apply_changes, given_changes
from assets.ingest import merge_sql
from assets.publish.content import ReleaseError
from assets.publish.failures import redis_errors
from assets.publish.packed_blocks import write_blocks
from serving_api import contract
from serving_api.contract import BLOCK_CHANGES, BlockChange, ContractError
from warehouse.locks import acquire

USERS_PER_BATCH = 500
# So long what is blocked may wait for the warehouse to know it: no list of a release holds it until then.
WAIT_SECONDS = 90 * 24 * 3600


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
    expired: int = 0
    """Such blocks that waited for 90 days, and were forgotten."""
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
    for users in _batches(client, user_ids):
        # A load may hold its lock for long, and only who is new needs it.
        if not _pull(engine, client, users, pulled, loading=False):
            _pull(engine, client, users, pulled, loading=True)
    return pulled


def pending_changes(
    client: Redis, user_ids: Sequence[str] | None = None
) -> tuple[dict[str, list[BlockChange]], list[str]]:
    """The changes in Redis by user, or those of these users, and whose cannot be read. Raises ReleaseError."""
    changes, unreadable = dict[str, list[BlockChange]](), list[str]()
    for batch in _batches(client, user_ids):
        said, faults = _read(client, batch)
        changes |= said
        unreadable += faults
    return changes, sorted(unreadable)


def _batches(client: Redis, user_ids: Sequence[str] | None) -> Iterator[list[bytes]]:
    """Who has changes in Redis, or these, in batches."""
    with redis_errors(client):
        if client.type(BLOCK_CHANGES) not in (b"hash", b"none"):
            raise ReleaseError(f"{BLOCK_CHANGES} is not a hash in Redis, so no list is shown to anybody: rename it")
        if user_ids is not None:
            yield [user_id.encode() for user_id in user_ids]
            return
        found = client.hscan_iter(BLOCK_CHANGES, count=USERS_PER_BATCH)
        while batch := [user for user, _ in islice(found, USERS_PER_BATCH)]:
            yield batch


def _read(client: Redis, users: Sequence[bytes]) -> tuple[dict[str, list[BlockChange]], dict[str, str]]:
    """The changes of these users, and what is wrong with those that cannot be read."""
    with redis_errors(client):
        held = cast(list[bytes | None], client.hmget(BLOCK_CHANGES, list(users)))
    changes, faults = {}, {}
    for user, packed in zip(users, held, strict=True):
        if packed is None:
            continue
        try:
            changes[_user_id(user)] = contract.unpack_block_changes(packed)
        except ContractError as error:
            faults[user.decode(errors="backslashreplace")] = str(error)
    return changes, faults


def _user_id(user: bytes) -> str:
    try:
        return user.decode()
    except UnicodeDecodeError as error:
        raise ContractError(f"{user!r} cannot be a user's id, as it is not UTF-8") from error


def _pull(engine: Engine, client: Redis, users: Sequence[bytes], pulled: PulledBlocks, *, loading: bool) -> bool:
    """Carry the changes of some users into the warehouse; False where somebody is new, for which `loading`, the lock of
    loads, is needed.
    """
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        if loading:
            acquire(cursor, merge_sql.LOCK)
        acquire(cursor, LOCK)
        # Under the lock: what was there before it, another pull may have carried already, and what came after it too.
        said, faults = _read(client, users)
        changes = [Change(who, each.kind, each.item_id, each.blocked) for who, of in said.items() for each in of]
        given = given_changes(changes)
        if connection.scalar(_ANYBODY_NEW, given):
            if not loading:
                return False
            connection.execute(_USERS, given)
        unknown = {tuple(row) for row in connection.execute(_UNKNOWN, given)}
        applied = apply_changes(connection, changes)
        # Redis must not lack a block that the warehouse has; the changes are still on top of it.
        write_blocks(connection, client, list(connection.scalars(_KNOWN_USERS, given)))
    pulled.unreadable |= faults
    pulled.blocked += applied.blocked
    pulled.unblocked += applied.unblocked
    since = (time.time() - WAIT_SECONDS) * 1000
    for user_id, of in said.items():
        unfit = [each for each in of if (user_id, each.kind, each.item_id) in unknown]
        waiting = [each for each in unfit if each.asked_at > since]
        pulled.waiting += [(user_id, each) for each in waiting]
        pulled.expired += len(unfit) - len(waiting)
        pulled.users += bool(set(of) - set(unfit))
        if done := set(of) - set(waiting):
            forget_changes(client, user_id, done)
    return True


def forget_changes(client: Redis, user_id: str, done: set[BlockChange]) -> None:
    """Take from Redis what the warehouse has been told, and nothing that was said since."""
    with redis_errors(client):
        while (held := cast(bytes | None, client.hget(BLOCK_CHANGES, user_id))) is not None:
            left = [each for each in contract.unpack_block_changes(held) if each not in done]
            packed = contract.pack_block_changes(left)
            if client.eval(contract.REPLACE_FIELD, 1, BLOCK_CHANGES, user_id, cast(str, held), cast(str, packed)):
                return


_NEW = (
    f"select distinct given.user_id from {GIVEN_CHANGES} where given.blocked and users.user_key is null"
    " and coalesce(tracks.track_key, artists.artist_key) is not null"
)
_ANYBODY_NEW = text(f"select exists ({_NEW})")
# Who is new gets the next key, as a load gives it.
_USERS = text(
    "insert into raw.users (user_key, user_id, listener_key)"
    " select (select coalesce(max(user_key) + 1, 0) from raw.users) + row_number() over (order by user_id) - 1,"
    f" user_id, raw.listener_key(user_id) from ({_NEW}) as new"
)
# To take back what is not known changes nothing.
_UNKNOWN = text(
    f"select given.user_id, given.kind, given.item_id from {GIVEN_CHANGES}"
    " where given.blocked and coalesce(tracks.track_key, artists.artist_key) is null"
)
_KNOWN_USERS = text("select user_id from raw.users where user_id = any(:users)")
