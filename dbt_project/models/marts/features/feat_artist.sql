{{ config(indexes=[{'columns': ['as_of']}]) }}

with as_ofs as (

    {{ as_of_instants() }}

),

heard_tracks as (

    select
        feat_track.as_of,
        dim_tracks.artist_key,
        count(*) filter (where feat_track.listeners > 0) as tracks
    from {{ ref('feat_track') }} as feat_track
    inner join as_ofs on feat_track.as_of = as_ofs.as_of
    inner join {{ ref('dim_tracks') }} as dim_tracks on feat_track.track_key = dim_tracks.track_key
    where dim_tracks.artist_key is not null
    group by feat_track.as_of, dim_tracks.artist_key

),

listeners as (

    select
        feat_user_artist.as_of,
        feat_user_artist.artist_key,
        cast(coalesce(sum(feat_user_artist.listens) filter (where unlikely.user_key is null), 0) as bigint) as listens,
        count(*) filter (where unlikely.user_key is null) as listeners,
        cast(coalesce(sum(feat_user_artist.listens_30d) filter (where unlikely.user_key is null), 0) as bigint)
            as listens_30d,
        count(*) filter (where unlikely.user_key is null and feat_user_artist.listens_30d > 0) as listeners_30d
    from {{ ref('feat_user_artist') }} as feat_user_artist
    inner join as_ofs on feat_user_artist.as_of = as_ofs.as_of
    left join {{ ref('dim_unlikely_listeners') }} as unlikely
        on
            feat_user_artist.user_key = unlikely.user_key
            and feat_user_artist.as_of >= unlikely.unlikely_since
    group by feat_user_artist.as_of, feat_user_artist.artist_key

)

select
    -- ids
    listeners.as_of,
    listeners.artist_key,

    -- numerics
    listeners.listens,
    listeners.listeners,
    listeners.listens_30d,
    listeners.listeners_30d,
    heard_tracks.tracks
from listeners
inner join heard_tracks
    on
        listeners.as_of = heard_tracks.as_of
        and listeners.artist_key = heard_tracks.artist_key
