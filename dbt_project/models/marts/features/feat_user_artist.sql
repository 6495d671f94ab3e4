{{ config(indexes=[{'columns': ['as_of', 'user_key']}]) }}

with as_ofs as (

    {{ as_of_instants() }}

),

tracks as (

    select
        feat_user_track.*,
        dim_tracks.artist_key
    from {{ ref('feat_user_track') }} as feat_user_track
    inner join as_ofs on feat_user_track.as_of = as_ofs.as_of
    inner join {{ ref('dim_tracks') }} as dim_tracks on feat_user_track.track_key = dim_tracks.track_key
    where dim_tracks.artist_key is not null

)

select
    -- ids
    as_of,
    user_key,
    artist_key,

    -- numerics
    cast(sum(listens) as bigint) as listens,
    cast(sum(listens_30d) as bigint) as listens_30d,
    count(*) as tracks,
    min(days_since_last) as days_since_last
from tracks
group by as_of, user_key, artist_key
