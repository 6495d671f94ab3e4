select
    -- ids
    artists.artist_key,
    coalesce(identities.canonical_artist_key, artists.artist_key) as canonical_artist_key,
    artists.artist_id,
    artists.artist_mbid,

    -- text
    artists.artist_name
from {{ ref('stg_artists') }} as artists
left join {{ ref('dim_artist_identities') }} as identities on artists.artist_key = identities.artist_key
