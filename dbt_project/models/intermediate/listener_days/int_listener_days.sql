{{
    config(
        unique_key=['user_key', 'listened_on'],
        indexes=[
            {'columns': ['user_key', 'listened_on'], 'unique': true},
            {'columns': ['listened_on']},
        ],
    )
}}

with listens as (

    select
        user_key,
        track_key,
        artist_key,
        listened_at,
        listened_on,
        {{ milliseconds_between("timestamptz 'epoch'", 'listened_at') }} as milliseconds,
        {{ milliseconds_between('lag(listened_at) over in_order', 'listened_at') }} as milliseconds_since_previous,
        row_number() over in_order as place,
        row_number() over of_track as nth_of_track
    from {{ ref('fct_listens') }}
    {% if is_incremental() %}
    where {{ in_days('listened_on') }}
    {% endif %}
    window
        in_order as (partition by user_key, listened_on order by listened_at, track_key),
        of_track as (partition by user_key, listened_on, track_key order by listened_at)

),

listener_days as (

    select
        user_key,
        listened_on,
        count(*) as listens,
        count(*) filter (where nth_of_track = 1) as tracks,
        count(distinct artist_key) as artists,
        -- The track beside its listens, so that the largest tells of both.
        max(nth_of_track * 4294967296 + track_key) as listens_and_track,
        avg(milliseconds_since_previous) as mean_interval,
        stddev_pop(milliseconds_since_previous) as spread_of_intervals,
        {{ digest_of_set('milliseconds', 'track_key') }} as digest_of_starts,
        {{ digest_of_set('place', 'track_key') }} as digest_of_order
    from listens
    group by user_key, listened_on

)

select
    -- ids
    user_key,
    cast(listens_and_track % 4294967296 as integer) as top_track_key,
    digest_of_starts,
    digest_of_order,

    -- numerics
    listens,
    tracks,
    artists,
    listens_and_track / 4294967296 as top_track_listens,
    cast(mean_interval as double precision) / 1000 as mean_interval_seconds,
    cast(spread_of_intervals / nullif(mean_interval, 0) as double precision) as interval_variation,

    -- timestamps
    listened_on
from listener_days
order by listened_on
