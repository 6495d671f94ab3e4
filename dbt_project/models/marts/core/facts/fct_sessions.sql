{{
    config(
        rebuild_where='last_listened_at >= __rebuild_instant__',
        unique_key='session_key',
        indexes=[
            {'columns': ['session_key'], 'unique': true},
            {'columns': ['last_listened_at']},
            {'columns': ['started_on']},
        ],
    )
}}

with listens as (

    select * from {{ ref('fct_listens') }}
    {% if is_incremental() %}
    where listened_on >= {{ rebuild_date() }}
    {% endif %}

),

{% if is_incremental() %}
-- Sessions that began before the rebuild and reach into it, now or when they were last built.
reaching_in as (

    select
        user_key,
        session_started_at
    from listens
    where session_started_at < {{ rebuild_instant() }}
    union
    select
        user_key,
        started_at as session_started_at
    from {{ this }}
    where
        last_listened_at >= {{ rebuild_instant() }}
        and started_at < {{ rebuild_instant() }}

),

their_beginnings as (

    select earlier.*
    from reaching_in
    inner join {{ ref('fct_listens') }} as earlier
        on
            reaching_in.user_key = earlier.user_key
            and reaching_in.session_started_at <= earlier.listened_at
    where
        earlier.listened_on < {{ rebuild_date() }}
        -- Bounds what is read by the index on the days: all of history fits the condition above.
        and earlier.listened_on >= (
            select min({{ utc_date('reaching.session_started_at') }}) from reaching_in as reaching
        )

),

{% endif %}

of_sessions as (

    select * from listens
    {% if is_incremental() %}
    union all
    select * from their_beginnings
    {% endif %}

),

sessions as (

    select
        session_key,
        user_key,
        session_started_at as started_at,
        max(listened_at) as last_listened_at,
        count(*) as listens,
        count(*) filter (where is_first_in_session) as tracks
    from of_sessions
    group by session_key, user_key, session_started_at

),

last_listens as (

    select
        sessions.session_key,
        max(of_sessions.ms_played) as ms_played
    from sessions
    inner join of_sessions
        on
            sessions.session_key = of_sessions.session_key
            and sessions.last_listened_at = of_sessions.listened_at
    group by sessions.session_key

)

select
    -- ids
    sessions.session_key,
    sessions.user_key,

    -- numerics
    sessions.listens,
    sessions.tracks,

    -- timestamps
    sessions.started_at,
    {{ utc_date('sessions.started_at') }} as started_on,
    sessions.last_listened_at,
    {{ add_milliseconds('sessions.last_listened_at', 'last_listens.ms_played') }} as ended_at
from sessions
inner join last_listens on sessions.session_key = last_listens.session_key
