-- Loads may name the same users, so the most that one of them names count.
{% set is_public = "coalesce(max(tags.users), 0) >= " ~ var('least_listeners') ~ " or count(*) > count(tags.users)" %}

with named as (

    select
        track_key,
        canonical_track_key,
        artist_key
    from {{ ref('dim_tracks') }}

),

artist_tags as (

    select
        artists.canonical_artist_key as artist_key,
        lower(tags.tag) as tag,
        coalesce(sum(tags.weight), 0) as weight,
        {{ is_public }} as is_public
    from {{ ref('stg_artist_tags') }} as tags
    inner join {{ ref('dim_artists') }} as artists on tags.artist_key = artists.artist_key
    group by artists.canonical_artist_key, lower(tags.tag)

),

track_tags as (

    select
        named.canonical_track_key as track_key,
        lower(tags.tag) as tag,
        coalesce(sum(tags.weight), 0) as weight,
        {{ is_public }} as is_public
    from {{ ref('stg_track_tags') }} as tags
    inner join named on tags.track_key = named.track_key
    group by named.canonical_track_key, lower(tags.tag)

),

-- A tag that the track has as well only gains on the others, so none beyond these gets among the first of a track.
placed_artist_tags as (

    select
        artist_key,
        tag,
        weight,
        row_number() over (partition by artist_key order by weight desc, tag collate "C" asc) as place
    from artist_tags
    where is_public

),

first_artist_tags as (

    select
        artist_key,
        tag,
        weight
    from placed_artist_tags
    where place <= {{ var('most_tags') }}

),

weighed as (

    select
        track_tags.track_key,
        track_tags.tag,
        track_tags.weight + coalesce(artist_tags.weight, 0) as weight
    from track_tags
    inner join named on track_tags.track_key = named.track_key
    left join artist_tags on named.artist_key = artist_tags.artist_key and track_tags.tag = artist_tags.tag
    where track_tags.is_public or artist_tags.is_public
    union all
    select
        named.track_key,
        first_artist_tags.tag,
        first_artist_tags.weight
    from first_artist_tags
    inner join named on first_artist_tags.artist_key = named.artist_key
    left join track_tags on named.track_key = track_tags.track_key and first_artist_tags.tag = track_tags.tag
    where named.track_key = named.canonical_track_key and track_tags.tag is null

),

placed as (

    select
        track_key,
        tag,
        weight,
        row_number() over (partition by track_key order by weight desc, tag collate "C" asc) as position
    from weighed

)

select
    -- ids
    track_key,

    -- text
    tag,

    -- numerics
    cast(weight as double precision) as weight,
    cast(position as integer) as position
from placed
where position <= {{ var('most_tags') }}
