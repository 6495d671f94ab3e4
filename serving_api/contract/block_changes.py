"""What users have blocked, or taken back, over HTTP, and the warehouse has not heard of yet."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import orjson

from serving_api.contract.records import Blocks
from serving_api.contract.version import ContractError, ContractVersionError

# Of its own: these are nowhere else until the warehouse is told, so they outlive a contract version.
BLOCK_CHANGES_VERSION = 1

BlockKind = Literal["track", "artist"]

# Replaces a field of a hash if it is still what was read, so that of two writers at once none is lost. An empty text
# stands for no field.
REPLACE_FIELD = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return 1
"""


class BlockChange(NamedTuple):
    """An item that a user has blocked, or taken the block back of."""

    kind: BlockKind
    item_id: str
    """Public id, as the caller gave it; the warehouse is told of this one."""
    blocked: bool
    listed_id: str
    """The id that lists have for it, where it was found to be the same item as another; else `item_id`."""
    asked_at: int
    """When it was asked for, in milliseconds of Unix time: so that what is said again later is another change."""

    def same(self, other: "BlockChange") -> bool:
        """Whether both are about one item, by either of its ids."""
        ids = {self.item_id, self.listed_id}
        return self.kind == other.kind and not ids.isdisjoint((other.item_id, other.listed_id))


def pack_block_changes(changes: Sequence[BlockChange]) -> bytes:
    """Pack the changes of a user, oldest first; no bytes where there are none, as there is no field then."""
    if not changes:
        return b""
    packed = [
        [kind, item_id, blocked, listed_id if listed_id != item_id else None, asked_at]
        for kind, item_id, blocked, listed_id, asked_at in changes
    ]
    return orjson.dumps([BLOCK_CHANGES_VERSION, *packed])


def unpack_block_changes(packed: bytes) -> list[BlockChange]:
    """Unpack the changes of a user.

    Raises ContractVersionError when another version wrote them, ContractError when they are unreadable.
    """
    try:
        version, *changes = orjson.loads(packed)
    except (TypeError, ValueError) as error:
        raise ContractError(f"the changes of a user's blocks are not a JSON array: {error}") from error
    if version != BLOCK_CHANGES_VERSION:
        raise ContractVersionError(
            f"the changes of a user's blocks have version {version}, not {BLOCK_CHANGES_VERSION}"
        )
    return [_change(each) for each in changes]


def _change(packed: object) -> BlockChange:
    if isinstance(packed, list) and len(packed) == len(BlockChange._fields):
        kind, item_id, blocked, listed_id, asked_at = packed
        change = BlockChange(kind, item_id, blocked, listed_id if listed_id is not None else item_id, asked_at)
        texts = isinstance(change.item_id, str) and isinstance(change.listed_id, str)
        if kind in ("track", "artist") and texts and isinstance(blocked, bool) and type(asked_at) is int:
            return change
    raise ContractError("a change of a user's blocks is not a kind, an id, true or false, another id and a time")


def with_change(changes: Sequence[BlockChange], change: BlockChange) -> list[BlockChange]:
    """The changes with one more, which replaces what was said of its item before; the same ones if it says the same."""
    before = [each for each in changes if each.same(change)]
    if [each._replace(asked_at=change.asked_at) for each in before] == [change]:
        return list(changes)
    return [*(each for each in changes if each not in before), change]


def changed_blocks(blocks: Blocks, changes: Iterable[BlockChange]) -> Blocks:
    """What a user has blocked by now, of what the warehouse knows and what it has not heard of yet."""
    ids: dict[BlockKind, set[str]] = {"track": set(blocks.track_ids), "artist": set(blocks.artist_ids)}
    for each in changes:
        if each.blocked:
            ids[each.kind] |= {each.item_id, each.listed_id}
        else:
            ids[each.kind] -= {each.item_id, each.listed_id}
    return Blocks(frozenset(ids["track"]), frozenset(ids["artist"]))
