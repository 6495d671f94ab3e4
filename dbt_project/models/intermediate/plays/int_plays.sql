select
    -- ids
    listens.user_key,
    coalesce(identities.canonical_track_key, listens.track_key) as track_key,
    coalesce(identities.artist_key, tracks.artist_key) as artist_key,

    -- text
    listens.source,
    {{ uncounted_reason('listens.ms_played', 'listens.is_skipped', 'listens.source', 'tracks.duration_ms') }}
        as uncounted_reason,

    -- numerics
    listens.ms_played,

    -- booleans
    listens.is_skipped,

    -- timestamps
    listens.listened_at
from {{ ref('stg_listens') }} as listens
-- A listen of an unknown track is kept, for a test to find.
left join {{ ref('stg_tracks') }} as tracks on listens.track_key = tracks.track_key
left join {{ ref('dim_track_identities') }} as identities on listens.track_key = identities.track_key
left join {{ ref('fct_duplicate_listens') }} as duplicates
    on
        listens.user_key = duplicates.user_key
        and listens.listened_at = duplicates.listened_at
        and listens.track_key = duplicates.track_key
where duplicates.user_key is null
