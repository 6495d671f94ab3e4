{{
    config(
        indexes=[{'columns': ['month', 'track_key'], 'unique': true}],
        rebuild_where="month >= " ~ start_of('month', '__rebuild_date__'),
    )
}}

select
    -- ids
    track_key,

    -- numerics
    cast(sum(listens_with_skip_known) as bigint) as listens_with_skip_known,
    cast(sum(skips) as bigint) as skips,
    cast(sum(skips) as double precision) / sum(listens_with_skip_known) as skip_rate,

    -- timestamps
    {{ start_of('month', 'listened_on') }} as month
from {{ ref('track_daily') }}
where
    listens_with_skip_known > 0
    {% if is_incremental() %}
    and listened_on >= {{ start_of('month', rebuild_date()) }}
    {% endif %}
group by track_key, {{ start_of('month', 'listened_on') }}
