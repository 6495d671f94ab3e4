{{
    config(
        indexes=[
            {'columns': ['user_key', 'listened_at', 'track_key'], 'unique': true},
            {'columns': ['listened_on']},
        ],
    )
}}

with listens as (

    select * from {{ ref('int_plays') }}
    where
        uncounted_reason is null
        {% if is_incremental() %}
        and listened_at >= {{ rebuild_instant() }}
        {% endif %}

),

{% if is_incremental() %}
-- Sessions that the first listens of the rebuild may continue: read whole, to be told apart as they were.
open_sessions as (

    select distinct
        user_key,
        session_started_at
    from {{ this }}
    where
        listened_on = {{ add_days(rebuild_date(), -1) }}
        and listened_at >= {{ rebuild_instant() }} - interval '30 minutes'

),

of_open_sessions as (

    select built.*
    from open_sessions
    inner join {{ this }} as built
        on
            open_sessions.user_key = built.user_key
            and open_sessions.session_started_at <= built.listened_at
    where
        built.listened_on < {{ rebuild_date() }}
        -- Bounds what is read by the index on the days: all of history fits the condition above.
        and built.listened_on >= (select min({{ utc_date('opened.session_started_at') }}) from open_sessions as opened)

),

{% endif %}

with_context as (

    select
        user_key,
        track_key,
        artist_key,
        source,
        ms_played,
        is_skipped,
        listened_at
    from listens
    {% if is_incremental() %}
    union all
    select
        user_key,
        track_key,
        artist_key,
        source,
        ms_played,
        is_skipped,
        listened_at
    from of_open_sessions
    {% endif %}

),

with_previous as (

    select
        *,
        lag(listened_at) over (partition by user_key order by listened_at, track_key) as previous_listened_at
    from with_context

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

),

with_previous_of_track as (

    select
        *,
        lag(session_started_at) over (
            partition by user_key, track_key
            order by listened_at
        ) as session_of_previous_listen
    from with_session_start

)

select
    -- ids
    sessions.user_key,
    sessions.track_key,
    sessions.artist_key,
    -- The user and the second the session started: later listens never change the key of an earlier session.
    cast(sessions.user_key as bigint) * 4294967296 + {{ epoch_seconds('sessions.session_started_at') }} as session_key,

    -- text
    sessions.source,

    -- numerics
    sessions.ms_played,

    -- booleans
    sessions.is_skipped,
    coalesce(sessions.session_of_previous_listen <> sessions.session_started_at, true) as is_first_in_session,

    -- timestamps
    sessions.session_started_at,
    sessions.listened_at,
    {{ utc_date('sessions.listened_at') }} as listened_on
from with_previous_of_track as sessions
{% if is_incremental() %}
where sessions.listened_at >= {{ rebuild_instant() }}
{% endif %}
-- A day lies in one stretch of the table: reading some days does not touch the pages of the others.
order by sessions.listened_at
