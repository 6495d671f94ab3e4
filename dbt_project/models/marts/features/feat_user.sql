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
    user_key,

    -- numerics
    count(*) as listens,
    count(distinct track_key) as tracks,
    count(distinct session_key) as sessions,
    count(*) filter (where age_days <= 7) as listens_7d,
    count(*) filter (where age_days <= 30) as listens_30d,
    count(*) filter (where age_days <= 90) as listens_90d,
    count(distinct track_key) filter (where age_days <= 30) as tracks_30d,
    1 - count(distinct track_key)::double precision / count(*) as repeat_share,
    coalesce(
        (count(*) filter (where age_days <= 30 and is_first_listen))::double precision
        / nullif(count(*) filter (where age_days <= 30), 0),
        0
    ) as new_share_30d,
    min(age_days) as days_since_last,
    max(age_days) as days_since_first,
    count(*)::double precision / count(distinct session_key) as listens_per_session,
    avg(is_skipped::int)::double precision as skip_rate
from listens
group by as_of, user_key
