{{
    config(
        unique_key=['listened_on', 'listener_key'],
        indexes=[
            {'columns': ['listened_on', 'listener_key'], 'unique': true},
            {'columns': ['listener_key']},
        ],
    )
}}

with listening as (

    select
        user_key,
        listened_on,
        count(*) as listens,
        count(distinct track_key) as tracks,
        count(distinct session_key) filter (
            where {{ utc_date('session_started_at') }} = listened_on
        ) as sessions_started,
        case when count(is_skipped) > 0 then count(*) filter (where is_skipped) end as skips,
        count(is_skipped) as listens_with_skip_known,
        cast(sum(ms_played) as bigint) as ms_played
    from {{ ref('fct_listens') }}
    {% if is_incremental() %}
    where {{ in_days('listened_on') }}
    {% endif %}
    group by user_key, listened_on

),

uncounted as (

    select
        user_key,
        listened_on,
        count(*) filter (where is_skipped) as skips,
        count(*) as listens_with_skip_known
    from {{ ref('fct_uncounted_listens') }}
    where
        is_skipped is not null
        {% if is_incremental() %}
        and {{ in_days('listened_on') }}
        {% endif %}
    group by user_key, listened_on

),

first_listens as (

    select
        user_key,
        listened_on,
        count(*) as discoveries
    from {{ ref('fct_first_listens') }}
    {% if is_incremental() %}
    where {{ in_days('listened_on') }}
    {% endif %}
    group by user_key, listened_on

)

select
    -- ids
    users.listener_key,

    -- numerics
    coalesce(listening.listens, 0) as listens,
    coalesce(listening.tracks, 0) as tracks,
    coalesce(listening.sessions_started, 0) as sessions_started,
    coalesce(first_listens.discoveries, 0) as discoveries,
    {{ sum_of_known('listening.skips', 'uncounted.skips') }} as skips,
    coalesce(listening.listens_with_skip_known, 0) + coalesce(uncounted.listens_with_skip_known, 0)
        as listens_with_skip_known,
    listening.ms_played,

    -- timestamps
    coalesce(listening.listened_on, uncounted.listened_on) as listened_on
from listening
full outer join uncounted
    on
        listening.user_key = uncounted.user_key
        and listening.listened_on = uncounted.listened_on
inner join {{ ref('stg_users') }} as users on coalesce(listening.user_key, uncounted.user_key) = users.user_key
left join first_listens
    on
        listening.user_key = first_listens.user_key
        and listening.listened_on = first_listens.listened_on
