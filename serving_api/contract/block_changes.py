"""What users have blocked, or taken back, over HTTP, and the warehouse has not heard of yet."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import orjson

from serving_api.contract.records import Blocks
from serving_api.contract.version import CONTRACT_VERSION, ContractError, ContractVersionError

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


def pack_block_changes(changes: Sequence[BlockChange]) -> bytes:
    """Pack the changes of a user, oldest first; no bytes where there are none, as there is no field then."""
    return orjson.dumps([CONTRACT_VERSION, *map(list, changes)]) if changes else b""


def unpack_block_changes(packed: bytes) -> list[BlockChange]:
    """Unpack the changes of a user.

    Raises ContractVersionError when another contract version wrote them, ContractError when they are unreadable.
    """
    try:
        version, *changes = orjson.loads(packed)
    except (TypeError, ValueError) as error:
        raise ContractError(f"the changes of a user's blocks are not a JSON array: {error}") from error
    if version != CONTRACT_VERSION:
        raise ContractVersionError(
            f"the changes of a user's blocks have contract version {version}, not {CONTRACT_VERSION}"
        )
    return [_change(each) for each in changes]


def _change(packed: object) -> BlockChange:
    if isinstance(packed, list) and len(packed) == len(BlockChange._fields):
        change = BlockChange(*packed)
        texts = all(isinstance(each, str) for each in (change.item_id, change.listed_id))
        if change.kind in ("track", "artist") and texts and isinstance(change.blocked, bool):
            return change
    raise ContractError("a change of a user's blocks is not a kind, an id, true or false, and another id")


def with_change(changes: Iterable[BlockChange], change: BlockChange) -> list[BlockChange]:
    """The changes with one more, which stands for what was said of its item before."""
    item = (change.kind, change.item_id)
    return [*(each for each in changes if (each.kind, each.item_id) != item), change]


def changed_blocks(blocks: Blocks, changes: Iterable[BlockChange]) -> Blocks:
    """What a user has blocked by now, of what the warehouse knows and what it has not heard of yet."""
    ids: dict[BlockKind, set[str]] = {"track": set(blocks.track_ids), "artist": set(blocks.artist_ids)}
    for each in changes:
        if each.blocked:
            ids[each.kind] |= {each.item_id, each.listed_id}
        else:
            ids[each.kind] -= {each.item_id, each.listed_id}
    return Blocks(frozenset(ids["track"]), frozenset(ids["artist"]))
