{{ config(indexes=[{'columns': ['as_of']}]) }}

with as_ofs as (

    {{ as_of_instants() }}

),

listeners as (

    select feat_user_track.*
    from {{ ref('feat_user_track') }} as feat_user_track
    inner join as_ofs on feat_user_track.as_of = as_ofs.as_of

)

select
    -- ids
    as_of,
    track_key,

    -- numerics
    sum(listens)::bigint as listens,
    count(*) as listeners,
    sum(listens_7d)::bigint as listens_7d,
    sum(listens_30d)::bigint as listens_30d,
    sum(listens_90d)::bigint as listens_90d,
    count(*) filter (where listens_30d > 0) as listeners_30d,
    max(days_since_first) as days_since_first,
    min(days_since_last) as days_since_last,
    sum(listens)::double precision / count(*) as listens_per_listener,
    sum(skips)::double precision / nullif(sum(listens_with_skip_known), 0)::double precision as skip_rate
from listeners
group by as_of, track_key
