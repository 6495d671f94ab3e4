"""What users have blocked, in Redis, where readers leave it out from the next request on.

The warehouse is the truth: a user's field in Redis is replaced as a whole by what raw.blocks says, under the lock of
blocks. It belongs to no release, so flips and rollbacks leave it as it is.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import pandas as pd
from redis import Redis
from sqlalchemy import Connection, Engine, text

from assets.blocks import LOCK, ItemKind, block, unblock, users_blocking_by
from assets.publish.content import ReleaseError
from assets.publish.failures import redis_errors
from assets.recordings import recordings
from serving_api.contract import BLOCKS, Blocks, pack_blocks
from warehouse.locks import acquire

# Whoever wants to block something waits for one batch at most.
BLOCKS_PER_BATCH = 5000
FIELDS_PER_BATCH = 1000
USERS_PER_BATCH = 500
USERS_COMPARED = 1000


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
    with engine.begin() as connection:
        added = block(connection, user_id, kind, item_id)
        _publish_user(connection, client, user_id)
    return added


def remove_block(engine: Engine, client: Redis, user_id: str, kind: ItemKind, item_id: str) -> bool:
    """Take a block back in the warehouse, then in Redis, the other way round for the same reason; False when there
    was none.

    Raises:
        AudoticsError: the warehouse knows no such user or item, others had the lock of blocks for too long.
        ReleaseError: Redis failed; the warehouse has the block no longer, and the same again tells Redis.
    """
    with engine.begin() as connection:
        removed = unblock(connection, user_id, kind, item_id)
    with engine.begin() as connection:
        # What is written is read under the lock, so a block that came since the commit is in it.
        acquire(connection.connection.cursor(), LOCK)
        try:
            _publish_user(connection, client, user_id)
        except ReleaseError as error:
            raise ReleaseError(f"{error}; {kind} {item_id} is hidden from {user_id} until this is run again") from error
    return removed


def publish_blocks(engine: Engine, client: Redis, blocks_per_batch: int = BLOCKS_PER_BATCH) -> int:
    """Make Redis say what every user has blocked, batch by batch; returns the number of users who have.

    Readers see a user's blocks of before or of now. Killed and run again, it ends the same. `client` must not decode
    responses. Raises ReleaseError when Redis fails, AudoticsError when others had the lock of blocks for too long.
    """
    users, last = 0, -1
    while True:
        with engine.begin() as connection:
            acquire(connection.connection.cursor(), LOCK)
            found = _batch(connection, last, blocks_per_batch)
            if found is None:
                break
            packed, last = found
            with redis_errors(client):
                client.hset(BLOCKS, mapping=cast(Any, packed))
            users += len(packed)
    for fields in _fields(client):
        with engine.begin() as connection:
            acquire(connection.connection.cursor(), LOCK)
            if stale := _without_blocks(connection, fields):
                with redis_errors(client):
                    client.hdel(BLOCKS, *stale)
    return users


def publish_users(engine: Engine, client: Redis, user_ids: Sequence[str]) -> None:
    """Make Redis say what these users have blocked, batch by batch, as after a load of blocks or its undoing.

    Raises ReleaseError when Redis fails, AudoticsError when others had the lock of blocks for too long.
    """
    for start in range(0, len(user_ids), USERS_PER_BATCH):
        batch = list(user_ids[start : start + USERS_PER_BATCH])
        with engine.begin() as connection:
            acquire(connection.connection.cursor(), LOCK)
            packed = _packed(connection, list(connection.scalars(_KEYS, {"ids": batch})))
            with redis_errors(client):
                if packed:
                    client.hset(BLOCKS, mapping=cast(Any, packed))
                if gone := [user_id for user_id in batch if user_id not in packed]:
                    client.hdel(BLOCKS, *gone)


def publish_loads(engine: Engine, client: Redis, file_ids: Sequence[int]) -> None:
    """Make Redis say what the users of these loads have blocked by now, those that were loaded before as well.

    The next release makes up for it where it fails: ReleaseError is of Redis, AudoticsError of others who had the lock
    of blocks for too long.
    """
    if not file_ids:
        return
    with engine.connect() as connection:
        users = users_blocking_by(connection, file_ids)
    publish_users(engine, client, users)


def compare_blocks(engine: Engine, client: Redis, sample: int = USERS_COMPARED) -> BlocksInRedis:
    """Compare what Redis says that users have blocked with the warehouse: how many have, and what a random sample has.

    Changes nothing. Counting aside, it costs the same for any number of users. Raises ReleaseError when Redis fails.
    """
    with engine.begin() as connection:
        users = connection.scalar(_USERS) or 0
        packed = _packed(connection, list(connection.scalars(_RANDOM_USERS, {"users": sample})))
    with redis_errors(client):
        fields = client.hlen(BLOCKS)
        held = cast(list[bytes | None], client.hmget(BLOCKS, list(packed))) if packed else []
    differing = [user_id for user_id, other in zip(packed, held, strict=True) if packed[user_id] != other]
    return BlocksInRedis(users, fields, len(packed), len(differing), min(differing, default=None))


def _publish_user(connection: Connection, client: Redis, user_id: str) -> None:
    """Make Redis say what a user has blocked, as the connection's transaction, which has the lock, sees it."""
    key = connection.scalar(text("select user_key from raw.users where user_id = :id"), {"id": user_id})
    packed = _packed(connection, [key])
    with redis_errors(client):
        if packed:
            client.hset(BLOCKS, mapping=cast(Any, packed))
        else:
            client.hdel(BLOCKS, user_id)


def _batch(connection: Connection, after: int, blocks: int) -> tuple[dict[str, bytes], int] | None:
    """Packed blocks by user id of the next users, whole ones only, and the last one's key; None after the last."""
    keys = list(connection.scalars(_NEXT_USERS, {"after": after, "blocks": blocks}))
    return (_packed(connection, keys), keys[-1]) if keys else None


def _packed(connection: Connection, user_keys: Sequence[int]) -> dict[str, bytes]:
    """Packed blocks by user id, of those of the users who have blocked something."""
    identities = _identities(connection)
    rows = connection.execute(text(_BLOCKED.format(**identities)), {"keys": user_keys}).all()
    tracks = sorted({row.item_key for row in rows if row.item_kind == ItemKind.TRACK})
    versions = _versions(connection, tracks, identities)
    artists = sorted({row.item_key for row in rows if row.item_kind == ItemKind.ARTIST})
    guests = defaultdict[int, set[str]](set)
    if artists:
        for row in connection.execute(text(_AS_GUESTS.format(**identities)), {"keys": artists}):
            guests[row.blocked_key].add(row.track_id)
    users: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for row in rows:
        track_ids, artist_ids = users[row.user_id]
        if row.item_kind == ItemKind.ARTIST:
            artist_ids.update((row.item_id, row.artist_id))
            track_ids.update(guests.get(row.item_key, ()))
        else:
            track_ids.update(versions.get(row.item_key, ()), (row.item_id,))
    return {user_id: pack_blocks(Blocks(*map(frozenset, ids))) for user_id, ids in users.items()}


def _versions(connection: Connection, track_keys: Sequence[int], identities: dict[str, str]) -> dict[int, list[str]]:
    """Ids of the versions of each track's recording, by its key, as lists know them; only of tracks with an artist."""
    by_artists = text(_BY_THEIR_ARTISTS.format(**identities))
    rows = connection.execute(by_artists, {"keys": track_keys}).all() if track_keys else []
    # By columns, which pandas takes far faster than rows.
    columns = zip(*rows, strict=True) if rows else ([], [], [], [])
    catalogue = pd.DataFrame(dict(zip(("track_key", "track_id", "artist_key", "title"), columns, strict=True)))
    catalogue["recording"] = recordings(catalogue)
    blocked = catalogue[catalogue["track_key"].isin(track_keys)]
    same = catalogue[catalogue["recording"].isin(blocked["recording"])]
    track_ids = same.groupby("recording")["track_id"].agg(list)
    return dict(zip(blocked["track_key"].tolist(), track_ids[blocked["recording"]], strict=True))


def _identities(connection: Connection) -> dict[str, str]:
    """Which tracks and artists are another, as relations by name; before the models are built, none is."""
    built = connection.scalar(text("select to_regclass('core.dim_track_identities') is not null"))
    if built:
        return {"track_identities": "core.dim_track_identities", "artist_identities": "core.dim_artist_identities"}
    nothing = "(select -1 as {0}_key, -1 as canonical_{0}_key where false)"
    return {f"{kind}_identities": nothing.format(kind) for kind in ("track", "artist")}


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


_KEYS = text("select user_key from raw.users where user_id = any(:ids)")
_USERS = text("select count(distinct user_key) from raw.blocks")
_RANDOM_USERS = text(
    "select user_key from (select distinct user_key from raw.blocks) as users order by random() limit :users"
)
_NEXT_USERS = text(
    "select distinct user_key from"
    " (select user_key from raw.blocks where user_key > :after order by user_key limit :blocks) as batch"
    " order by user_key"
)
# Of an artist, `artist_id` is the one that lists name.
_BLOCKED = """
select
    user_id, item_kind, item_key, coalesce(track_id, artists.artist_id) as item_id,
    coalesce(canonical.artist_id, artists.artist_id) as artist_id
from raw.blocks
inner join raw.users using (user_key)
left join raw.tracks on item_kind = 'track' and item_key = tracks.track_key
left join raw.artists on item_kind = 'artist' and item_key = artists.artist_key
left join {artist_identities} as identities on artists.artist_key = identities.artist_key
left join raw.artists as canonical on identities.canonical_artist_key = canonical.artist_key
where user_key = any(:keys)
"""
# Every track of these artists, under any of their names, with the artist and title of the track that it is.
_BY_THEIR_ARTISTS = """
with canonical as (
    select distinct coalesce(identities.canonical_artist_key, tracks.artist_key) as artist_key
    from raw.tracks left join {artist_identities} as identities using (artist_key)
    where track_key = any(:keys)
),
named as (
    select artist_key, artist_key as canonical_artist_key from canonical
    union all
    select identities.artist_key, identities.canonical_artist_key
    from {artist_identities} as identities inner join canonical
        on identities.canonical_artist_key = canonical.artist_key
)
select tracks.track_key, tracks.track_id, named.canonical_artist_key as artist_key, titled.title
from named
inner join raw.tracks as tracks using (artist_key)
left join {track_identities} as identities using (track_key)
inner join raw.tracks as titled on titled.track_key = coalesce(identities.canonical_track_key, tracks.track_key)
"""
# Tracks that credit these artists, under any of their names, beside the track's own artist, as lists know them.
_AS_GUESTS = """
with blocked as (
    select given.artist_key as blocked_key, coalesce(identities.canonical_artist_key, given.artist_key) as artist_key
    from unnest(cast(:keys as integer[])) as given (artist_key)
    left join {artist_identities} as identities using (artist_key)
),
named as (
    select blocked_key, artist_key from blocked
    union
    select blocked.blocked_key, identities.artist_key
    from blocked inner join {artist_identities} as identities on identities.canonical_artist_key = blocked.artist_key
)
select distinct named.blocked_key, shown.track_id
from named
inner join raw.track_artists as credits using (artist_key)
left join {track_identities} as identities on credits.track_key = identities.track_key
inner join raw.tracks as shown on shown.track_key = coalesce(identities.canonical_track_key, credits.track_key)
where
    shown.artist_key is distinct from credits.artist_key
    and credits.file_id = (
        select min(firsts.file_id) from raw.track_artists as firsts where firsts.track_key = credits.track_key
    )
"""
_WITH_BLOCKS = text(
    "select user_id from raw.users where user_id = any(:ids)"
    " and exists (select from raw.blocks where blocks.user_key = users.user_key)"
)
