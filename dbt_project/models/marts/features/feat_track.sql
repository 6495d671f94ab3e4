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
    cast(sum(listens) as bigint) as listens,
    count(*) as listeners,
    cast(sum(listens_7d) as bigint) as listens_7d,
    cast(sum(listens_30d) as bigint) as listens_30d,
    cast(sum(listens_90d) as bigint) as listens_90d,
    count(*) filter (where listens_30d > 0) as listeners_30d,
    max(days_since_first) as days_since_first,
    min(days_since_last) as days_since_last,
    cast(sum(listens) as double precision) / count(*) as listens_per_listener,
    cast(sum(skips) as double precision) / nullif(sum(listens_with_skip_known), 0) as skip_rate
from listeners
group by as_of, track_key
