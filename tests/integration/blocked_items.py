"""A small catalogue to block, and what Redis then holds."""

from redis import Redis

from assets.blocks import ItemKind
from serving_api import contract
from serving_api.contract import BLOCKS

TRACK, ARTIST = ItemKind.TRACK, ItemKind.ARTIST
CATALOGUE = """
insert into raw.users (user_key, user_id, listener_key) select n, 'user_' || n, n from generate_series(0, 5) as n;
insert into raw.artists (artist_key, natural_key, artist_id) select n, 'source:' || n, 'a-' || n
from generate_series(0, 2) as n;
insert into raw.tracks (track_key, natural_key, track_id, artist_key, title) values
(0, 'source:0', 't-0', 0, 'Slow River'), (1, 'source:1', 't-1', 0, 'SLOW RIVER - 2011 Remaster'),
(2, 'source:2', 't-2', 0, 'Slow River (Live at the Mill)'), (3, 'source:3', 't-3', 0, 'Slow River (Remix)'),
(4, 'source:4', 't-4', 1, 'Slow River'), (5, 'source:5', 't-5', null, 'Slow River'),
(6, 'source:6', 't-6', null, 'Slow River')
"""
# As dbt builds them: artist 1 is artist 0 by another name, so that track 4 is track 0.
IDENTITIES = """
create table core.dim_artist_identities as select 1 as artist_key, 0 as canonical_artist_key;
create table core.dim_track_identities as
select 4 as track_key, 0 as canonical_track_key, 0 as song_key, 0 as artist_key;
grant select on core.dim_artist_identities, core.dim_track_identities to audotics_loader
"""
NO_COMMIT = """
create function raw.die() returns trigger language plpgsql as $$ begin raise 'died before the commit'; end $$;
create constraint trigger die after insert or delete on raw.blocks deferrable initially deferred
for each row execute function raw.die()
"""


def held(client: Redis) -> dict[str, tuple[list[str], list[str]]]:
    """Sorted track ids and artist ids of each user in Redis."""
    blocks = {user_id.decode(): contract.unpack_blocks(packed) for user_id, packed in client.hgetall(BLOCKS).items()}
    return {user_id: (sorted(each.track_ids), sorted(each.artist_ids)) for user_id, each in blocks.items()}
