{{
    config(
        unique_key='session_key',
        indexes=[
            {'columns': ['session_key'], 'unique': true},
            {'columns': ['last_listened_at']},
            {'columns': ['started_on']},
        ],
        rebuild={'columns': ['started_on']},
    )
}}

with listens as (

    select * from {{ ref('fct_listens') }}
    {% if is_incremental() %}
    where {{ in_days('listened_on') }}
    {% endif %}

),

{% if is_incremental() %}
-- Sessions that have listens on these days, or had their last there. What they have on other days is as it was when
-- they were last built; a session that is gone began on one of these days.
standing as (

    select
        built.session_key,
        built.user_key,
        built.started_at,
        built.last_listened_at
    from {{ this }} as built
    where {{ in_days('built.last_listened_at') }}
    union
    select
        built.session_key,
        built.user_key,
        built.started_at,
        built.last_listened_at
    from {{ this }} as built
    inner join listens on built.session_key = listens.session_key

),

on_other_days as (

    select others.*
    from standing
    inner join {{ ref('fct_listens') }} as others
        on
            standing.user_key = others.user_key
            and standing.session_key = others.session_key
            and standing.started_at <= others.listened_at
            and standing.last_listened_at >= others.listened_at
    where
        -- Most lie within one day.
        not (
            {{ in_days('standing.started_at') }}
            and {{ utc_date('standing.started_at') }} = {{ utc_date('standing.last_listened_at') }}
        )
        and not {{ in_days('others.listened_on') }}

),

{% endif %}

of_sessions as (

    select * from listens
    {% if is_incremental() %}
    union all
    select * from on_other_days
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
