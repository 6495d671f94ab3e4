"""What users never want to be recommended: raw.blocks, by public ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

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


class Change(NamedTuple):
    """An item that a user blocks, or takes the block back of, by public ids."""

    user_id: str
    kind: str
    item_id: str
    blocked: bool


class Applied(NamedTuple):
    """What changes came to."""

    blocked: int
    """Blocks that there were not before."""
    unblocked: int
    """Blocks that there were."""


def apply_changes(connection: Connection, changes: Sequence[Change]) -> Applied:
    """Block items, and take blocks back, of users and items that the warehouse knows; the others change nothing.

    A block goes under every name of its item. The transaction must have the lock of blocks.
    """
    given = given_changes(changes)
    names = identities(connection)
    blocked = connection.execute(_BLOCK, given).rowcount
    connection.execute(_KEEP, given)
    # Nor does it come back when one of the files that state it is undone.
    connection.execute(text(_UNSAY.format(**names)), given)
    unblocked = connection.execute(text(_UNBLOCK.format(**names)), given).rowcount
    return Applied(blocked, unblocked)


def given_changes(changes: Sequence[Change]) -> dict[str, list[Any]]:
    """Changes as the parameters of GIVEN_CHANGES."""
    columns = zip(*changes, strict=True) if changes else ([], [], [], [])
    return dict(zip(("users", "kinds", "items", "blocked"), map(list, columns), strict=True))


def identities(connection: Connection) -> dict[str, str]:
    """Which tracks and artists are another, as relations by name; before the models are built, none is."""
    built = connection.scalar(text("select to_regclass('core.dim_track_identities') is not null"))
    if built:
        return {"track_identities": "core.dim_track_identities", "artist_identities": "core.dim_artist_identities"}
    nothing = "(select -1 as {0}_key, -1 as canonical_{0}_key where false)"
    return {f"{kind}_identities": nothing.format(kind) for kind in ("track", "artist")}


def block(connection: Connection, user_id: str, kind: ItemKind, item_id: str) -> bool:
    """Block an item for a user; False when it was blocked before.

    The transaction then has the lock of blocks to its end.

    Raises:
        AudoticsError: the warehouse knows no such user or item, or others had the lock for too long.
    """
    _require_known(connection, user_id, kind, item_id)
    return apply_changes(connection, [Change(user_id, str(kind), item_id, True)]).blocked > 0


def unblock(connection: Connection, user_id: str, kind: ItemKind, item_id: str) -> bool:
    """Take a block back, whichever name of the item it is of; False when there was none.

    The transaction then has the lock of blocks to its end.

    Raises:
        AudoticsError: the warehouse knows no such user or item, or others had the lock for too long.
    """
    _require_known(connection, user_id, kind, item_id)
    return apply_changes(connection, [Change(user_id, str(kind), item_id, False)]).unblocked > 0


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


def _require_known(connection: Connection, user_id: str, kind: ItemKind, item_id: str) -> None:
    # Before it is looked for: an undone load, which may take user and item away, holds it as well.
    acquire(connection.connection.cursor(), LOCK)
    if connection.scalar(text("select user_key from raw.users where user_id = :id"), {"id": user_id}) is None:
        raise AudoticsError(f"the warehouse knows no user {user_id!r}")
    query = f"select {kind}_key from raw.{kind}s where {kind}_id = :id"
    if connection.scalar(text(query), {"id": item_id}) is None:
        raise AudoticsError(
            f"the warehouse knows no {kind} {item_id!r}; ids are those of core.dim_{kind}s and of the read API"
        )


GIVEN_CHANGES = (
    "unnest(cast(:users as text[]), cast(:kinds as text[]), cast(:items as text[]), cast(:blocked as boolean[]))"
    " as given (user_id, kind, item_id, blocked)"
    " left join raw.users on users.user_id = given.user_id"
    " left join raw.tracks on given.kind = 'track' and tracks.track_id = given.item_id"
    " left join raw.artists on given.kind = 'artist' and artists.artist_id = given.item_id"
)
"""Changes, with the rows of what they are about; null where the warehouse does not know it."""
_ITEM = "coalesce(tracks.track_key, artists.artist_key)"
# The time of now, as waiting for the lock may have taken longer than the lists that were read meanwhile.
_BLOCK = text(
    "insert into raw.blocks (user_key, item_kind, item_key, created_at)"
    f" select users.user_key, given.kind, {_ITEM}, clock_timestamp() from {GIVEN_CHANGES}"
    f" where given.blocked and users.user_key is not null and {_ITEM} is not null on conflict do nothing"
)
# What a file had brought is the user's own from then on, so that it outlives the undoing of the file.
_KEEP = text(
    f"update raw.blocks set file_id = null from (select users.user_key, given.kind, {_ITEM} as item_key"
    f" from {GIVEN_CHANGES} where given.blocked) as kept where blocks.user_key = kept.user_key"
    " and blocks.item_kind = kept.kind and blocks.item_key = kept.item_key and blocks.file_id is not null"
)
_CANONICAL = (
    "coalesce((select canonical_{0}_key from {{{0}_identities}} as own where own.{0}_key = {0}s.{0}_key), {0}s.{0}_key)"
)
_TAKEN_BACK = (
    f" using (select users.user_key, given.kind, names.item_key from {GIVEN_CHANGES} cross join lateral"
    f" (select {_CANONICAL.format('track')} as track_key, {_CANONICAL.format('artist')} as artist_key) as canonical"
    " cross join lateral (select canonical.track_key union all select canonical.artist_key union all"
    " select track_key from {track_identities} as others where canonical_track_key = canonical.track_key union all"
    " select artist_key from {artist_identities} as others where canonical_artist_key = canonical.artist_key"
    ") as names (item_key) where not given.blocked) as taken where blocks.user_key = taken.user_key"
    " and blocks.item_kind = taken.kind and blocks.item_key = taken.item_key"
)
_UNBLOCK = "delete from raw.blocks as blocks" + _TAKEN_BACK
_UNSAY = "delete from raw.block_mentions as blocks" + _TAKEN_BACK
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
