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
    artist_key,

    -- numerics
    count(*) as listens,
    count(distinct user_key) as listeners,
    count(*) filter (where age_days <= 30) as listens_30d,
    count(distinct user_key) filter (where age_days <= 30) as listeners_30d,
    count(distinct track_key) as tracks
from listens
where artist_key is not null
group by as_of, artist_key
