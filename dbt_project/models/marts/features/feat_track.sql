{{ config(indexes=[{'columns': ['as_of']}]) }}

with as_ofs as (

    {{ as_of_instants() }}

),

listeners as (

    select
        feat_user_track.*,
        -- What others are shown and told does not depend on who cannot be a person.
        unlikely.user_key is null as counts
    from {{ ref('feat_user_track') }} as feat_user_track
    inner join as_ofs on feat_user_track.as_of = as_ofs.as_of
    left join {{ ref('dim_unlikely_listeners') }} as unlikely
        on
            feat_user_track.user_key = unlikely.user_key
            and feat_user_track.as_of >= unlikely.unlikely_since

)

select
    -- ids
    as_of,
    track_key,

    -- numerics
    cast(coalesce(sum(listens) filter (where counts), 0) as bigint) as listens,
    count(*) filter (where counts) as listeners,
    cast(coalesce(sum(listens_7d) filter (where counts), 0) as bigint) as listens_7d,
    cast(coalesce(sum(listens_30d) filter (where counts), 0) as bigint) as listens_30d,
    cast(coalesce(sum(listens_90d) filter (where counts), 0) as bigint) as listens_90d,
    count(*) filter (where counts and listens_30d > 0) as listeners_30d,
    -- A track that only they have heard is in their lists, so it has a row.
    coalesce(max(days_since_first) filter (where counts), max(days_since_first)) as days_since_first,
    coalesce(min(days_since_last) filter (where counts), min(days_since_last)) as days_since_last,
    coalesce(
        cast(sum(listens) filter (where counts) as double precision) / nullif(count(*) filter (where counts), 0), 0
    ) as listens_per_listener,
    cast(sum(skips) filter (where counts) as double precision)
    / nullif(sum(listens_with_skip_known) filter (where counts), 0) as skip_rate
from listeners
group by as_of, track_key
