{{ config(indexes=[{'columns': ['as_of']}]) }}

with as_ofs as (

    {{ as_of_instants() }}

),

sessions as (

    select
        as_ofs.as_of,
        fct_sessions.user_key,
        count(*) as sessions
    from as_ofs
    inner join {{ ref('fct_sessions') }} as fct_sessions on as_ofs.as_of_at > fct_sessions.started_at
    group by as_ofs.as_of, fct_sessions.user_key

),

tracks as (

    select feat_user_track.*
    from {{ ref('feat_user_track') }} as feat_user_track
    inner join as_ofs on feat_user_track.as_of = as_ofs.as_of

),

history as (

    select
        as_of,
        user_key,
        cast(sum(listens) as bigint) as listens,
        count(*) as tracks,
        cast(sum(listens_7d) as bigint) as listens_7d,
        cast(sum(listens_30d) as bigint) as listens_30d,
        cast(sum(listens_90d) as bigint) as listens_90d,
        count(*) filter (where listens_30d > 0) as tracks_30d,
        count(*) filter (where days_since_first <= 30) as first_listens_30d,
        min(days_since_last) as days_since_last,
        max(days_since_first) as days_since_first,
        cast(sum(skips) as double precision) / nullif(sum(listens_with_skip_known), 0) as skip_rate
    from tracks
    group by as_of, user_key

)

select
    -- ids
    history.as_of,
    history.user_key,

    -- numerics
    history.listens,
    history.tracks,
    sessions.sessions,
    history.listens_7d,
    history.listens_30d,
    history.listens_90d,
    history.tracks_30d,
    1 - cast(history.tracks as double precision) / history.listens as repeat_share,
    coalesce(cast(history.first_listens_30d as double precision) / nullif(history.listens_30d, 0), 0) as new_share_30d,
    history.days_since_last,
    history.days_since_first,
    cast(history.listens as double precision) / sessions.sessions as listens_per_session,
    history.skip_rate
from history
inner join sessions
    on
        history.as_of = sessions.as_of
        and history.user_key = sessions.user_key
