{{
    config(
        unique_key='track_key',
        indexes=[{'columns': ['track_key'], 'unique': true}, {'columns': ['first_listened_on']}],
        post_hook="{{ mark_finished({'is_complete_7d': is_over(add_days('first_listened_on', 7)), 'is_complete_28d': is_over(add_days('first_listened_on', 28)), 'is_left_censored': is_left_censored('first_listened_on')}) }}",
        rebuild={'columns': ['first_listened_on'], 'before': 27},
    )
}}

with firsts as (

    select
        track_key,
        {{ utc_date('first_listened_at') }} as first_listened_on
    from {{ ref('int_track_first_listens') }}
    {% if is_incremental() %}
    -- The first 28 days of these tracks reach into those that changed.
    where {{ in_days('first_listened_at', before=27) }}
    {% endif %}

),

early_days as (

    select
        firsts.track_key,
        cast(
            sum(
                case
                    when daily.listened_on < {{ add_days('firsts.first_listened_on', 7) }} then daily.listens else 0
                end
            ) as bigint
        ) as listens_7d,
        cast(sum(daily.listens) as bigint) as listens_28d,
        -- Nobody heard the track before its first day, so whoever hears it in these days discovers it in them.
        cast(
            sum(
                case
                    when daily.listened_on < {{ add_days('firsts.first_listened_on', 7) }} then daily.discoveries else 0
                end
            ) as bigint
        ) as listeners_7d,
        cast(sum(daily.discoveries) as bigint) as listeners_28d
    from firsts
    inner join {{ ref('track_daily') }} as daily
        on
            firsts.track_key = daily.track_key
            and firsts.first_listened_on <= daily.listened_on
            and {{ add_days('firsts.first_listened_on', 28) }} > daily.listened_on
    {% if is_incremental() %}
    where {{ in_days('daily.listened_on', before=27, after=27) }}
    {% endif %}
    group by firsts.track_key

)

select
    -- ids
    firsts.track_key,

    -- numerics
    early_days.listens_7d,
    early_days.listens_28d,
    early_days.listeners_7d,
    early_days.listeners_28d,

    -- booleans
    {{ is_over(add_days('firsts.first_listened_on', 7)) }} as is_complete_7d,
    {{ is_over(add_days('firsts.first_listened_on', 28)) }} as is_complete_28d,
    {{ is_left_censored('firsts.first_listened_on') }} as is_left_censored,

    -- timestamps
    firsts.first_listened_on
from firsts
inner join early_days on firsts.track_key = early_days.track_key
