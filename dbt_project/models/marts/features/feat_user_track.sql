{{ config(indexes=[{'columns': ['as_of', 'user_key']}]) }}

with as_ofs as (

    {{ as_of_instants() }}

),

listens as (

    select
        as_ofs.as_of,
        fct_listens.user_key,
        fct_listens.track_key,
        fct_listens.is_first_in_session,
        fct_listens.is_skipped,
        {{ days_between('fct_listens.listened_at', 'as_ofs.as_of_at') }} as age_days
    from as_ofs
    inner join {{ ref('fct_listens') }} as fct_listens on as_ofs.as_of_at > fct_listens.listened_at

)

select
    -- ids
    as_of,
    user_key,
    track_key,

    -- numerics
    count(*) as listens,
    count(*) filter (where age_days <= 7) as listens_7d,
    count(*) filter (where age_days <= 30) as listens_30d,
    count(*) filter (where age_days <= 90) as listens_90d,
    count(*) filter (where is_first_in_session) as sessions,
    -- Oldest first: a sum of floats depends on the order of its terms. Float32, and a product in it, holds the least.
    sum(greatest(exp(-age_days / 60), 1e-15) order by age_days desc) as decayed_listens,
    max(age_days) as days_since_first,
    min(age_days) as days_since_last,
    case when count(is_skipped) > 0 then count(*) filter (where is_skipped) end as skips,
    count(is_skipped) as listens_with_skip_known
from listens
group by as_of, user_key, track_key
