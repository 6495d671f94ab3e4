with blocks as (

    select
        blocks.user_key,
        blocks.item_kind,
        blocks.created_at,
        coalesce(tracks.canonical_track_key, artists.canonical_artist_key, blocks.item_key) as item_key
    from {{ ref('stg_blocks') }} as blocks
    left join {{ ref('dim_track_identities') }} as tracks
        on blocks.item_kind = 'track' and blocks.item_key = tracks.track_key
    left join {{ ref('dim_artist_identities') }} as artists
        on blocks.item_kind = 'artist' and blocks.item_key = artists.artist_key

)

select
    -- ids
    user_key,
    item_key,

    -- text
    item_kind,

    -- timestamps
    min(created_at) as created_at
from blocks
-- Two names of one track, both blocked, are blocked since the first.
group by user_key, item_kind, item_key
