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

),

-- What is too short to count as a listen may still say that the track was skipped.
uncounted as (

    select
        as_ofs.as_of,
        uncounted_listens.user_key,
        uncounted_listens.track_key,
        count(*) filter (where uncounted_listens.is_skipped) as skips,
        count(*) as listens_with_skip_known
    from as_ofs
    inner join {{ ref('fct_uncounted_listens') }} as uncounted_listens
        on as_ofs.as_of_at > uncounted_listens.listened_at
    where uncounted_listens.is_skipped is not null
    group by as_ofs.as_of, uncounted_listens.user_key, uncounted_listens.track_key

),

pairs as (

    select
        as_of,
        user_key,
        track_key,
        count(*) as listens,
        count(*) filter (where age_days <= 7) as listens_7d,
        count(*) filter (where age_days <= 30) as listens_30d,
        count(*) filter (where age_days <= 90) as listens_90d,
        count(*) filter (where is_first_in_session) as sessions,
        -- Oldest first: a sum of floats depends on the order of its terms. Float32, and a product in it, holds the
        -- least.
        sum(greatest(exp(-age_days / 60), 1e-15) order by age_days desc) as decayed_listens,
        max(age_days) as days_since_first,
        min(age_days) as days_since_last,
        case when count(is_skipped) > 0 then count(*) filter (where is_skipped) end as skips,
        count(is_skipped) as listens_with_skip_known
    from listens
    group by as_of, user_key, track_key

)

select
    -- ids
    pairs.as_of,
    pairs.user_key,
    pairs.track_key,

    -- numerics
    pairs.listens,
    pairs.listens_7d,
    pairs.listens_30d,
    pairs.listens_90d,
    pairs.sessions,
    pairs.decayed_listens,
    pairs.days_since_first,
    pairs.days_since_last,
    {{ sum_of_known('pairs.skips', 'uncounted.skips') }} as skips,
    pairs.listens_with_skip_known + coalesce(uncounted.listens_with_skip_known, 0) as listens_with_skip_known
from pairs
left join uncounted
    on
        pairs.as_of = uncounted.as_of
        and pairs.user_key = uncounted.user_key
        and pairs.track_key = uncounted.track_key
