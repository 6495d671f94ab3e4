{{
    config(
        unique_key=['month', 'decile'],
        indexes=[{'columns': ['month', 'decile'], 'unique': true}],
        post_hook="{{ mark_finished({'is_complete': is_complete('month', 'month')}) }}",
        rebuild={'columns': ['month'], 'period': 'month'},
    )
}}

with months as (

    select
        track_key,
        {{ start_of('month', 'listened_on') }} as month,
        cast(sum(listens) as bigint) as listens
    from {{ ref('track_daily') }}
    where
        listens > 0
        {% if is_incremental() %}
        and {{ in_days('listened_on', period='month') }}
        {% endif %}
    group by track_key, {{ start_of('month', 'listened_on') }}

),

deciles as (

    select
        *,
        ntile(10) over (partition by month order by listens desc, track_key asc) as decile
    from months

),

totals as (

    select
        month,
        decile,
        count(*) as tracks,
        cast(sum(listens) as bigint) as listens
    from deciles
    group by month, decile

)

select
    -- numerics
    decile,
    tracks,
    listens,
    cast(listens as double precision) / sum(listens) over (partition by month) as listens_share,

    -- booleans
    {{ is_complete('month', 'month') }} as is_complete,

    -- timestamps
    month
from totals
