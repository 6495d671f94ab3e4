{{ config(indexes=[{'columns': ['user_key', 'listened_at']}, {'columns': ['listened_at']}]) }}

with listens as (

    select * from {{ ref('int_listens_sessionised') }}

),

tracks as (

    select * from {{ ref('stg_tracks') }}

)

select
    -- ids
    listens.user_key,
    listens.track_key,
    tracks.artist_key,
    listens.session_key,

    -- text
    listens.source,

    -- numerics
    listens.ms_played,

    -- booleans
    listens.is_skipped,
    row_number() over (
        partition by listens.user_key, listens.track_key
        order by listens.listened_at
    ) = 1 as is_first_listen,
    row_number() over (
        partition by listens.session_key, listens.track_key
        order by listens.listened_at
    ) = 1 as is_first_in_session,

    -- timestamps
    listens.listened_at,
    (listens.listened_at at time zone 'UTC')::date as listened_on
from listens
inner join tracks on listens.track_key = tracks.track_key
