with named as (

    select
        track_key,
        canonical_track_key,
        artist_key
    from {{ ref('dim_tracks') }}

),

tagged as (

    select
        named.canonical_track_key as track_key,
        lower(tags.tag) as tag,
        tags.weight,
        tags.users
    from {{ ref('stg_track_tags') }} as tags
    inner join named on tags.track_key = named.track_key
    union all
    select
        named.track_key,
        lower(tags.tag) as tag,
        tags.weight,
        tags.users
    from {{ ref('stg_artist_tags') }} as tags
    inner join {{ ref('dim_artists') }} as artists on tags.artist_key = artists.artist_key
    inner join named on artists.canonical_artist_key = named.artist_key
    where named.track_key = named.canonical_track_key

),

-- Loads may name the same users, so the most that one of them names count.
weighed as (

    select
        track_key,
        tag,
        coalesce(sum(weight), 0) as weight
    from tagged
    group by track_key, tag
    having max(users) >= {{ var('least_listeners') }} or count(*) > count(users)

)

select
    -- ids
    track_key,

    -- text
    tag,

    -- numerics
    cast(weight as double precision) as weight,
    cast(row_number() over (partition by track_key order by weight desc, tag asc) as integer) as position
from weighed
