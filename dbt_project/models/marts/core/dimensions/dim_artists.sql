select
    -- ids
    artist_key,
    artist_id,
    artist_mbid,

    -- text
    artist_name
from {{ ref('stg_artists') }}
