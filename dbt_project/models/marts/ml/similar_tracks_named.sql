select
    -- ids
    lists.as_of,
    lists.track_key,
    of_track.track_id,
    lists.similar_track_key,
    like_track.track_id as similar_track_id,

    -- text
    of_track.title,
    of_track.artist_name,
    like_track.title as similar_title,
    like_track.artist_name as similar_artist_name,

    -- numerics
    lists.rank,
    lists.score
from {{ ref('stg_similar_tracks') }} as lists
inner join {{ ref('dim_tracks') }} as of_track on lists.track_key = of_track.track_key
inner join {{ ref('dim_tracks') }} as like_track on lists.similar_track_key = like_track.track_key
