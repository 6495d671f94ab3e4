with named as (

    select
        track_key,
        canonical_track_key,
        artist_key
    from {{ ref('dim_tracks') }}

),

-- Whom any name of a track credits.
credited as (

    select
        named.canonical_track_key,
        credits.track_key as named_by,
        credits.position,
        credits.join_phrase,
        coalesce(identities.canonical_artist_key, credits.artist_key) as artist_key
    from {{ ref('stg_track_artists') }} as credits
    inner join named on credits.track_key = named.track_key
    left join {{ ref('dim_artist_identities') }} as identities on credits.artist_key = identities.artist_key

),

-- What follows an artist in the first credit that says it.
phrases as (

    select
        canonical_track_key,
        artist_key,
        join_phrase,
        row_number() over (partition by canonical_track_key, artist_key order by named_by, position) as place
    from credited
    where join_phrase is not null

),

-- The track's own artist comes first, whoever a credit begins with.
stated as (

    select
        canonical_track_key,
        named_by,
        position,
        artist_key
    from credited
    union all
    select
        canonical_track_key,
        -1 as named_by,
        0 as position,
        artist_key
    from named
    where
        track_key = canonical_track_key
        and artist_key is not null
        and exists (
            select 1 from credited
            where credited.canonical_track_key = named.canonical_track_key
        )

),

mentions as (

    select
        canonical_track_key,
        artist_key,
        named_by,
        position,
        row_number() over (partition by canonical_track_key, artist_key order by named_by, position) as mention
    from stated

),

placed as (

    select
        canonical_track_key,
        artist_key,
        row_number() over (partition by canonical_track_key order by named_by, position) as position
    from mentions
    where mention = 1

)

select
    -- ids
    named.track_key,
    placed.artist_key,

    -- text
    phrases.join_phrase,

    -- numerics
    cast(placed.position as integer) as position
from placed
inner join named on placed.canonical_track_key = named.canonical_track_key
left join phrases
    on
        placed.canonical_track_key = phrases.canonical_track_key
        and placed.artist_key = phrases.artist_key
        and phrases.place = 1
union all
select
    track_key,
    artist_key,
    cast(null as text) as join_phrase,
    1 as position
from named
where
    artist_key is not null
    and not exists (
        select 1 from credited
        where credited.canonical_track_key = named.canonical_track_key
    )
