{{
    config(
        unique_key=['as_of', 'slate', 'rank'],
        indexes=[{'columns': ['as_of', 'slate', 'rank'], 'unique': true}],
        rebuild={'columns': ['as_of'], 'before': var('horizon_days')},
        rebuild_where=add_days('as_of', var('horizon_days')) ~ " > (select max(listened_on) from {{ ref('listening_daily') }})"
        ~ " or (as_of, made_at) not in (select as_of, made_at from {{ ref('stg_recommendation_batches') }})",
        meta={'test_every_row': true},
    )
}}

with last_days as (

    select max(listened_on) as listened_on from {{ ref('listening_daily') }}

),

batches as (

    select
        made.as_of,
        made.slate,
        made.model_version,
        made.made_at
    from {{ ref('stg_recommendation_batches') }} as made
    inner join last_days on {{ add_days('made.as_of', var('horizon_days')) }} <= last_days.listened_on
    -- Lists of a date that went live after it, or never, as those of a backfill, are lists that nobody was shown. Lists
    -- that were made again without a change are the release of before, which keeps the instant at which it went live.
    where
        exists (
            select 1
            from {{ ref('stg_releases') }} as releases
            where
                releases.as_of = made.as_of
                and releases.lists_made_at = made.made_at
                -- Of a slate whose lists were refused, nobody was shown those of the date.
                and (releases.held -> made.slate) is null
                and releases.published_at < {{ utc_midnight(add_days('made.as_of', 1)) }}
        )

),

{% if is_incremental() %}
judged as (

    select
        as_of,
        slate,
        made_at
    from {{ this }}
    where rank = 1

),

{% endif %}

batches_to_judge as (

    select batches.*
    from batches
    {% if is_incremental() %}
    where
        {{ in_days('batches.as_of', before=var('horizon_days')) }}
        or not exists (
            select 1 from judged
            where judged.as_of = batches.as_of and judged.slate = batches.slate and judged.made_at = batches.made_at
        )
    {% endif %}

),

played as (

    select distinct
        dates.as_of,
        listens.user_key,
        listens.track_key
    from (select distinct as_of from batches_to_judge) as dates
    inner join {{ ref('fct_listens') }} as listens
        on
            dates.as_of <= listens.listened_on
            and {{ add_days('dates.as_of', var('horizon_days')) }} > listens.listened_on

)

select
    -- ids
    batches.as_of,
    batches.slate,
    batches.model_version,

    -- numerics
    cast(lists.rank as integer) as rank,
    count(*) as recommended,
    count(played.track_key) as played,

    -- timestamps
    batches.made_at
from batches_to_judge as batches
inner join {{ ref('stg_recommendations') }} as lists
    on
        batches.as_of = lists.as_of
        and batches.slate = lists.slate
left join played
    on
        lists.as_of = played.as_of
        and lists.user_key = played.user_key
        and lists.track_key = played.track_key
group by batches.as_of, batches.slate, batches.model_version, lists.rank, batches.made_at
