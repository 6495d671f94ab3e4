with tracks as (

    select * from {{ ref('stg_tracks') }}

),

artists as (

    select * from {{ ref('stg_artists') }}

),

activity as (

    select
        track_key,
        count(*) as listens,
        min(listened_at) as first_listened_at,
        max(listened_at) as last_listened_at
    from {{ ref('fct_listens') }}
    group by track_key

)

select
    -- ids
    tracks.track_key,
    tracks.track_id,
    tracks.artist_key,
    artists.artist_id,
    tracks.recording_mbid,

    -- text
    tracks.title,
    artists.artist_name,

    -- numerics
    coalesce(activity.listens, 0) as listens,

    -- timestamps
    activity.first_listened_at,
    activity.last_listened_at
from tracks
left join artists on tracks.artist_key = artists.artist_key
left join activity on tracks.track_key = activity.track_key
