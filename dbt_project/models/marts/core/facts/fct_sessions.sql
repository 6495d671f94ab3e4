{{
    config(
        rebuild_where='last_listened_at >= __rebuild_instant__',
        unique_key='session_key',
        indexes=[
            {'columns': ['session_key'], 'unique': true},
            {'columns': ['last_listened_at']},
            {'columns': ['started_at']},
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

)

select
    -- ids
    session_key,
    user_key,

    -- numerics
    count(*) as listens,
    count(*) filter (where is_first_in_session) as tracks,

    -- timestamps
    session_started_at as started_at,
    max(listened_at) as last_listened_at
from of_sessions
group by session_key, user_key, session_started_at
