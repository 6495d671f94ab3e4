{{
    config(
        unique_key=['month', 'track_key'],
        indexes=[{'columns': ['month', 'track_key'], 'unique': true}],
        post_hook="{{ mark_finished({'is_complete': is_complete('month', 'month')}) }}",
        rebuild={'columns': ['month'], 'period': 'month'},
    )
}}

with months as (

    select
        track_key,
        {{ start_of('month', 'listened_on') }} as month,
        cast(sum(listens_with_skip_known) as bigint) as listens_with_skip_known,
        cast(sum(skips) as bigint) as skips
    from {{ ref('track_daily') }}
    where
        listens_with_skip_known > 0
        {% if is_incremental() %}
        and {{ in_days('listened_on', period='month') }}
        {% endif %}
    group by track_key, {{ start_of('month', 'listened_on') }}

)

select
    -- ids
    track_key,

    -- numerics
    listens_with_skip_known,
    skips,
    cast(skips as double precision) / listens_with_skip_known as skip_rate,

    -- booleans
    {{ is_complete('month', 'month') }} as is_complete,

    -- timestamps
    month
from months
