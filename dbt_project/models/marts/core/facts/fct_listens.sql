{{
    config(
        unique_key=['user_key', 'listened_at', 'track_key'],
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
        and {{ in_days('listened_at') }}
        {% endif %}

),

{% if is_incremental() %}
-- Sessions that end soon before these days, begin soon after them or reach into them: what they have on other days may
-- belong to other sessions now.
touching as (

    select distinct
        user_key,
        session_started_at
    from {{ this }}
    where
        {{ in_days('listened_on', before=1, after=1) }}
        and not {{ in_days('listened_on') }}
        and {{ in_days('listened_at', margin='30 minutes') }}

),

-- Up to the next session of the user, so that the index tells where they end.
touching_until as (

    select
        *,
        (
            select min(later.listened_at)
            from {{ this }} as later
            where
                touching.user_key = later.user_key
                and touching.session_started_at < later.listened_at
                and touching.session_started_at < later.session_started_at
        ) as next_started_at
    from touching

),

of_touching as (

    select built.*
    from touching_until
    inner join {{ this }} as built
        on
            touching_until.user_key = built.user_key
            and touching_until.session_started_at <= built.listened_at
            and coalesce(touching_until.next_started_at, timestamptz 'infinity') > built.listened_at
    where not {{ in_days('built.listened_on') }}

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
    from of_touching
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
-- A day lies in one stretch of the table: reading some days does not touch the pages of the others.
order by sessions.listened_at
