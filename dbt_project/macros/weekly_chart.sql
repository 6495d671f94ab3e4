{# The 100 most played of each week, by a `<kind>_daily` model: `key` is artist_key or track_key. #}
{% macro weekly_chart(daily, key) -%}
with weeks as (

    select
        {{ key }},
        {{ start_of('week', 'listened_on') }} as week,
        cast(sum(listens) as bigint) as listens,
        cast(sum(listeners) as bigint) as listener_days
    from {{ daily }}
    where
        listens > 0
        {% if is_incremental() %}
        -- The week after a changed one compares its ranks with it, and is compared; a changed one, with the week before.
        and {{ in_days('listened_on', period='week', before=7, after=7) }}
        {% endif %}
    group by {{ key }}, {{ start_of('week', 'listened_on') }}

),

ranked as (

    select
        *,
        row_number() over (partition by week order by listens desc, listener_days desc, {{ key }}) as rank
    from weeks

),

charts as (

    select * from ranked
    where rank <= 100

)

select
    -- ids
    charts.{{ key }},

    -- numerics
    cast(charts.rank as integer) as rank,
    cast(previous.rank as integer) as previous_rank,
    cast(previous.rank - charts.rank as integer) as places_gained,
    charts.listens,
    charts.listener_days,

    -- booleans
    {{ is_complete('week', 'charts.week') }} as is_complete,

    -- timestamps
    charts.week
from charts
left join charts as previous
    on
        charts.{{ key }} = previous.{{ key }}
        and {{ add_days('charts.week', -7) }} = previous.week
{% if is_incremental() %}
    where {{ in_days('charts.week', period='week', after=7) }}
{% endif %}
{%- endmacro %}
