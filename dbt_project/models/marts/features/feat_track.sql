with as_ofs as (

    {{ as_of_instants() }}

),

listens as (

    select
        as_ofs.as_of,
        fct_listens.*,
        {{ days_between('fct_listens.listened_at', 'as_ofs.as_of_at') }} as age_days
    from as_ofs
    inner join {{ ref('fct_listens') }} as fct_listens on fct_listens.listened_at < as_ofs.as_of_at

)

select
    -- ids
    as_of,
    track_key,

    -- numerics
    count(*) as listens,
    count(distinct user_key) as listeners,
    count(*) filter (where age_days <= 7) as listens_7d,
    count(*) filter (where age_days <= 30) as listens_30d,
    count(*) filter (where age_days <= 90) as listens_90d,
    count(distinct user_key) filter (where age_days <= 30) as listeners_30d,
    max(age_days) as days_since_first,
    min(age_days) as days_since_last,
    count(*)::double precision / count(distinct user_key) as listens_per_listener,
    avg(is_skipped::int)::double precision as skip_rate
from listens
group by as_of, track_key
