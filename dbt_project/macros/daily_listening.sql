{# Listening by UTC day and `key` (artist_key or track_key), from listens and first listens; rows without a key left out. #}
{% macro daily_listening(listens, first_listens, key) -%}
with listening as (

    select
        {{ key }},
        listened_on,
        count(*) as listens,
        count(distinct user_key) as listeners,
        case when count(is_skipped) > 0 then count(*) filter (where is_skipped) end as skips,
        count(is_skipped) as listens_with_skip_known,
        cast(sum(ms_played) as bigint) as ms_played
    from {{ listens }}
    where
        {{ key }} is not null
        {% if is_incremental() %}
            and listened_on >= {{ rebuild_date() }}
        {% endif %}
    group by {{ key }}, listened_on

),

first_listens as (

    select
        {{ key }},
        listened_on,
        count(*) as discoveries
    from {{ first_listens }}
    where
        {{ key }} is not null
        {% if is_incremental() %}
            and listened_on >= {{ rebuild_date() }}
        {% endif %}
    group by {{ key }}, listened_on

)

select
    -- ids
    listening.{{ key }},

    -- numerics
    listening.listens,
    listening.listeners,
    coalesce(first_listens.discoveries, 0) as discoveries,
    listening.skips,
    listening.listens_with_skip_known,
    listening.ms_played,

    -- timestamps
    listening.listened_on
from listening
left join first_listens
    on
        listening.{{ key }} = first_listens.{{ key }}
        and listening.listened_on = first_listens.listened_on
{%- endmacro %}
