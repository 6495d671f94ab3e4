with artists as (

    select * from {{ ref('stg_artists') }}

),

activity as (

    select
        artist_key,
        count(*) as listens,
        min(listened_at) as first_listened_at,
        max(listened_at) as last_listened_at
    from {{ ref('fct_listens') }}
    where artist_key is not null
    group by artist_key

)

select
    -- ids
    artists.artist_key,
    artists.artist_id,
    artists.artist_mbid,

    -- text
    artists.artist_name,

    -- numerics
    coalesce(activity.listens, 0) as listens,

    -- timestamps
    activity.first_listened_at,
    activity.last_listened_at
from artists
left join activity on artists.artist_key = activity.artist_key
