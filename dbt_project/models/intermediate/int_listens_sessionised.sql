with listens as (

    select * from {{ ref('stg_listens') }}

),

with_previous as (

    select
        *,
        lag(listened_at) over (partition by user_key order by listened_at, track_key) as previous_listened_at
    from listens

),

with_session_start as (

    select
        *,
        max(
            case
                when
                    previous_listened_at is null
                    or listened_at - previous_listened_at > interval '30 minutes'
                    then listened_at
            end
        ) over (
            partition by user_key
            order by listened_at, track_key
            rows between unbounded preceding and current row
        ) as session_started_at
    from with_previous

)

select
    -- ids
    -- The user and the second the session started: later listens never change the key of an earlier session.
    (user_key::bigint << 32) | extract(epoch from session_started_at)::bigint as session_key,
    user_key,
    track_key,
    file_id,

    -- text
    source,

    -- numerics
    ms_played,

    -- booleans
    is_skipped,

    -- timestamps
    session_started_at,
    listened_at,
    ingested_at
from with_session_start
