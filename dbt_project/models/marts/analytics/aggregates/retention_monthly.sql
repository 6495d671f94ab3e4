{{
    config(
        unique_key=['cohort_month', 'activity_month'],
        indexes=[{'columns': ['cohort_month', 'activity_month'], 'unique': true}],
        post_hook="{{ mark_finished({'is_complete': is_complete('month', 'activity_month'), 'is_left_censored': is_left_censored('cohort_month')}) }}",
        rebuild={'columns': ['activity_month', 'cohort_month'], 'period': 'month'},
    )
}}

with cohorts as (

    select
        users.listener_key,
        {{ start_of('month', utc_date('firsts.first_listened_at')) }} as cohort_month
    from {{ ref('int_user_first_listens') }} as firsts
    inner join {{ ref('stg_users') }} as users on firsts.user_key = users.user_key

),

active_in_months as (

    select distinct
        listener_key,
        {{ start_of('month', 'listened_on') }} as activity_month
    from {{ ref('listener_daily') }}
    where
        listens > 0
        {% if is_incremental() %}
        and {{ in_days('listened_on', period='month') }}
        {% endif %}

),

active as (

    select * from active_in_months
    {% if is_incremental() %}
    -- Cohorts that listeners have joined or left, in all of their months.
    union
    select
        daily.listener_key,
        {{ start_of('month', 'daily.listened_on') }} as activity_month
    from cohorts
    inner join {{ ref('listener_daily') }} as daily on cohorts.listener_key = daily.listener_key
    where
        daily.listens > 0
        and {{ in_days('cohorts.cohort_month', period='month') }}
    {% endif %}

),

sizes as (

    select
        cohort_month,
        count(*) as cohort_listeners
    from cohorts
    group by cohort_month

),

retained as (

    select
        cohorts.cohort_month,
        active.activity_month,
        count(*) as active_listeners
    from active
    inner join cohorts on active.listener_key = cohorts.listener_key
    group by cohorts.cohort_month, active.activity_month

)

select
    -- numerics
    {{ months_between('retained.cohort_month', 'retained.activity_month') }} as months_since_first,
    sizes.cohort_listeners,
    retained.active_listeners,
    cast(retained.active_listeners as double precision) / sizes.cohort_listeners as retention,

    -- booleans
    {{ is_complete('month', 'retained.activity_month') }} as is_complete,
    {{ is_left_censored('retained.cohort_month') }} as is_left_censored,

    -- timestamps
    retained.cohort_month,
    retained.activity_month
from retained
inner join sizes on retained.cohort_month = sizes.cohort_month
