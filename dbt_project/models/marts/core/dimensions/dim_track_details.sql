with named as (

    select
        names.canonical_track_key,
        tracks.isrc,
        tracks.duration_ms,
        case when names.track_key = names.canonical_track_key then 0 else 1 end as is_another_name,
        tracks.track_key
    from {{ ref('stg_tracks') }} as tracks
    inner join {{ ref('dim_tracks') }} as names on tracks.track_key = names.track_key
    where tracks.isrc is not null or tracks.duration_ms is not null

),

-- What the track's own name says comes first, then the first of the others that says something.
codes as (

    select
        canonical_track_key,
        isrc,
        row_number() over (partition by canonical_track_key order by is_another_name, track_key) as place
    from named
    where isrc is not null

),

first_codes as (

    select
        canonical_track_key,
        isrc
    from codes
    where place = 1

),

lengths as (

    select
        canonical_track_key,
        duration_ms,
        row_number() over (partition by canonical_track_key order by is_another_name, track_key) as place
    from named
    where duration_ms is not null

),

first_lengths as (

    select
        canonical_track_key,
        duration_ms
    from lengths
    where place = 1

)

select
    -- ids
    coalesce(first_codes.canonical_track_key, first_lengths.canonical_track_key) as track_key,
    first_codes.isrc,

    -- numerics
    first_lengths.duration_ms
from first_codes
full outer join first_lengths on first_codes.canonical_track_key = first_lengths.canonical_track_key
