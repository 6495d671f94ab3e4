select
    -- ids
    lists.as_of,
    lists.artist_key,
    of_artist.artist_id,
    lists.similar_artist_key,
    like_artist.artist_id as similar_artist_id,

    -- text
    of_artist.artist_name,
    like_artist.artist_name as similar_artist_name,

    -- numerics
    lists.rank,
    lists.score
from {{ ref('stg_similar_artists') }} as lists
inner join {{ ref('dim_artists') }} as of_artist on lists.artist_key = of_artist.artist_key
inner join {{ ref('dim_artists') }} as like_artist on lists.similar_artist_key = like_artist.artist_key
