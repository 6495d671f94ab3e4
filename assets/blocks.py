"""What users never want to be recommended: raw.blocks, by public ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, text

from warehouse.errors import AudoticsError
from warehouse.locks import Lock, acquire

# Held while the warehouse changes, and from before Redis' part is read to after it is written: of two changes for one
# user, the later one is there last.
LOCK = Lock("hashtext('audotics-blocks')", "changing blocks", wait_seconds=60)


class ItemKind(StrEnum):
    """What a user can block."""

    TRACK = "track"
    ARTIST = "artist"


@dataclass(frozen=True)
class Block:
    """A blocked item. `name` is the track's title or the artist's name, None where the source gave none."""

    user_id: str
    kind: ItemKind
    item_id: str
    name: str | None
    created_at: datetime


def block(connection: Connection, user_id: str, kind: ItemKind, item_id: str) -> bool:
    """Block an item for a user; False when it was blocked before.

    The transaction then has the lock of blocks to its end.

    Raises:
        AudoticsError: the warehouse knows no such user or item, or others had the lock for too long.
    """
    keys = _keys(connection, user_id, kind, item_id)
    added = connection.execute(_INSERT, keys).rowcount > 0
    if not added:
        connection.execute(_KEEP, keys)
    return added


def unblock(connection: Connection, user_id: str, kind: ItemKind, item_id: str) -> bool:
    """Take a block back; False when there was none.

    The transaction then has the lock of blocks to its end.

    Raises:
        AudoticsError: the warehouse knows no such user or item, or others had the lock for too long.
    """
    keys = _keys(connection, user_id, kind, item_id)
    # Nor does it come back when one of the files that state it is undone.
    connection.execute(_UNSAY, keys)
    return connection.execute(_DELETE, keys).rowcount > 0


def read_blocks(connection: Connection, user_id: str | None = None) -> list[Block]:
    """Every block, or those of one user, by user and time."""
    rows = connection.execute(_SELECT, {"user_id": user_id})
    return [Block(row.user_id, ItemKind(row.item_kind), row.item_id, row.name, row.created_at) for row in rows]


def users_blocking_by(connection: Connection, file_ids: Sequence[int]) -> list[str]:
    """The users who have blocked something by what these loads state, by the ids of their source."""
    return list(connection.scalars(_USERS_BY, {"file_ids": list(file_ids)}))


def settled_blocks(connection: dbapi.Connection) -> tuple[datetime, int]:
    """An instant (UTC) and how many blocks there were then: every block up to it is committed.

    Ends the connection's transaction, so that what it reads next is of a later one.

    Raises:
        AudoticsError: others had the lock of blocks for too long.
    """
    with connection.cursor() as cursor:
        # Who is to have the lock later stamps a block later, by the same clock.
        acquire(cursor, LOCK)
        cursor.execute(_SETTLED)
        instant, blocks = cursor.fetchone()
    connection.commit()
    return instant.astimezone(UTC), int(blocks)


def _keys(connection: Connection, user_id: str, kind: ItemKind, item_id: str) -> dict[str, object]:
    # Before the keys are read: an undone load, which may take user and item away, holds it as well.
    acquire(connection.connection.cursor(), LOCK)
    user_key = connection.scalar(text("select user_key from raw.users where user_id = :id"), {"id": user_id})
    if user_key is None:
        raise AudoticsError(f"the warehouse knows no user {user_id!r}")
    query = f"select {kind}_key from raw.{kind}s where {kind}_id = :id"
    item_key = connection.scalar(text(query), {"id": item_id})
    if item_key is None:
        raise AudoticsError(
            f"the warehouse knows no {kind} {item_id!r}; ids are those of core.dim_{kind}s and of the read API"
        )
    return {"user_key": user_key, "kind": str(kind), "item_key": item_key}


# The time of now, as waiting for the lock may have taken longer than the lists that were read meanwhile.
_INSERT = text(
    "insert into raw.blocks (user_key, item_kind, item_key, created_at)"
    " values (:user_key, :kind, :item_key, clock_timestamp()) on conflict do nothing"
)
_DELETE = text("delete from raw.blocks where user_key = :user_key and item_kind = :kind and item_key = :item_key")
# What a file had brought is the user's own from then on, so that it outlives the undoing of the file.
_KEEP = text(
    "update raw.blocks set file_id = null"
    " where user_key = :user_key and item_kind = :kind and item_key = :item_key and file_id is not null"
)
_UNSAY = text(
    "delete from raw.block_mentions where user_key = :user_key and item_kind = :kind and item_key = :item_key"
)
_SETTLED = (
    "select instant, (select count(*) from raw.blocks where created_at <= instant) from clock_timestamp() as instant"
)
_USERS_BY = text(
    "select distinct user_id from raw.block_mentions inner join raw.users using (user_key)"
    " where block_mentions.file_id = any(:file_ids) order by user_id"
)
_SELECT = text(
    "select user_id, item_kind, coalesce(track_id, artist_id) as item_id, coalesce(title, artists.name) as name,"
    " blocks.created_at"
    " from raw.blocks inner join raw.users using (user_key)"
    " left join raw.tracks on item_kind = 'track' and item_key = tracks.track_key"
    " left join raw.artists on item_kind = 'artist' and item_key = artists.artist_key"
    " where :user_id is null or user_id = :user_id order by user_id, blocks.created_at, item_kind, item_key"
)
