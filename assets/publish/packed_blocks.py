"""What users have blocked, as Redis has it: with the other versions of the tracks, and with the tracks of guests."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

import pandas as pd
from redis import Redis
from sqlalchemy import Connection, text

from assets.blocks import ItemKind, identities
from assets.publish.failures import redis_errors
from assets.recordings import recordings
from serving_api.contract import BLOCKS, Blocks, pack_blocks


def packed_blocks(connection: Connection, user_keys: Sequence[int]) -> dict[str, bytes]:
    """Packed blocks by user id, of those of the users (raw.users.user_key) who have blocked something."""
    names = identities(connection)
    rows = connection.execute(text(_BLOCKED.format(**names)), {"keys": user_keys}).all()
    tracks = sorted({row.item_key for row in rows if row.item_kind == ItemKind.TRACK})
    versions = _versions(connection, tracks, names)
    artists = sorted({row.item_key for row in rows if row.item_kind == ItemKind.ARTIST})
    guests = defaultdict[int, set[str]](set)
    if artists:
        for row in connection.execute(text(_AS_GUESTS.format(**names)), {"keys": artists}):
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


def write_blocks(connection: Connection, client: Redis, user_ids: Sequence[str]) -> None:
    """Make Redis say what these users have blocked, as the connection's transaction, which has the lock, sees it.

    Raises ReleaseError when Redis fails.
    """
    packed = packed_blocks(connection, list(connection.scalars(_KEYS, {"ids": list(user_ids)})))
    with redis_errors(client):
        if packed:
            client.hset(BLOCKS, mapping=cast(Any, packed))
        if gone := [user_id for user_id in user_ids if user_id not in packed]:
            client.hdel(BLOCKS, *gone)


def _versions(connection: Connection, track_keys: Sequence[int], names: dict[str, str]) -> dict[int, list[str]]:
    """Ids of the versions of each track's recording, by its key, as lists know them; only of tracks with an artist."""
    by_artists = text(_BY_THEIR_ARTISTS.format(**names))
    rows = connection.execute(by_artists, {"keys": track_keys}).all() if track_keys else []
    # By columns, which pandas takes far faster than rows.
    columns = zip(*rows, strict=True) if rows else ([], [], [], [])
    catalogue = pd.DataFrame(dict(zip(("track_key", "track_id", "artist_key", "title"), columns, strict=True)))
    catalogue["recording"] = recordings(catalogue)
    blocked = catalogue[catalogue["track_key"].isin(track_keys)]
    same = catalogue[catalogue["recording"].isin(blocked["recording"])]
    track_ids = same.groupby("recording")["track_id"].agg(list)
    return dict(zip(blocked["track_key"].tolist(), track_ids[blocked["recording"]], strict=True))


_KEYS = text("select user_key from raw.users where user_id = any(:ids)")
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
