{{
    config(
        unique_key='listened_on',
        indexes=[{'columns': ['listened_on'], 'unique': true}],
        post_hook="{{ mark_finished({'is_complete': is_over(add_days('listened_on', 1), this), 'is_left_censored': is_left_censored('listened_on', this)}) }}",
    )
}}

with listeners as (

    select
        listened_on,
        count(*) filter (where listens > 0) as listeners,
        cast(sum(listens) as bigint) as listens,
        cast(sum(discoveries) as bigint) as discoveries,
        cast(sum(skips) as bigint) as skips,
        cast(sum(listens_with_skip_known) as bigint) as listens_with_skip_known,
        cast(sum(ms_played) as bigint) as ms_played
    from {{ ref('listener_daily') }}
    {% if is_incremental() %}
    where {{ in_days('listened_on') }}
    {% endif %}
    group by listened_on

),

tracks as (

    select
        listened_on,
        count(*) filter (where listens > 0) as tracks
    from {{ ref('track_daily') }}
    {% if is_incremental() %}
    where {{ in_days('listened_on') }}
    {% endif %}
    group by listened_on

),

artists as (

    select
        listened_on,
        count(*) filter (where listens > 0) as artists
    from {{ ref('artist_daily') }}
    {% if is_incremental() %}
    where {{ in_days('listened_on') }}
    {% endif %}
    group by listened_on

),

sessions as (

    select
        started_on as listened_on,
        count(*) as sessions
    from {{ ref('fct_sessions') }}
    {% if is_incremental() %}
    where {{ in_days('started_on') }}
    {% endif %}
    group by started_on

),

new_listeners as (

    select
        {{ utc_date('first_listened_at') }} as listened_on,
        count(*) as new_listeners
    from {{ ref('int_user_first_listens') }}
    {% if is_incremental() %}
    where {{ in_days('first_listened_at') }}
    {% endif %}
    group by {{ utc_date('first_listened_at') }}

)

select
    -- numerics
    listeners.listens,
    listeners.listeners,
    coalesce(new_listeners.new_listeners, 0) as new_listeners,
    coalesce(sessions.sessions, 0) as sessions_started,
    tracks.tracks,
    coalesce(artists.artists, 0) as artists,
    listeners.discoveries,
    listeners.listens - listeners.discoveries as repeats,
    listeners.skips,
    listeners.listens_with_skip_known,
    listeners.ms_played,

    -- booleans
    {{ is_over(add_days('listeners.listened_on', 1), ref('listener_daily')) }} as is_complete,
    {{ is_left_censored('listeners.listened_on', ref('listener_daily')) }} as is_left_censored,

    -- timestamps
    listeners.listened_on
from listeners
inner join tracks on listeners.listened_on = tracks.listened_on
left join artists on listeners.listened_on = artists.listened_on
left join sessions on listeners.listened_on = sessions.listened_on
left join new_listeners on listeners.listened_on = new_listeners.listened_on
