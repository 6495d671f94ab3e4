{#
  Listening by UTC day and `key` (artist_key or track_key), from listens, plays that do not count and first listens; rows
  without a key left out. A skip is a skip whether or not the play counts.
#}
{% macro daily_listening(listens, uncounted_listens, first_listens, key) -%}
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
            and {{ in_days('listened_on') }}
        {% endif %}
    group by {{ key }}, listened_on

),

uncounted as (

    select
        {{ key }},
        listened_on,
        count(*) filter (where is_skipped) as skips,
        count(*) as listens_with_skip_known
    from {{ uncounted_listens }}
    where
        {{ key }} is not null
        and is_skipped is not null
        {% if is_incremental() %}
            and {{ in_days('listened_on') }}
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
            and {{ in_days('listened_on') }}
        {% endif %}
    group by {{ key }}, listened_on

)

select
    -- ids
    coalesce(listening.{{ key }}, uncounted.{{ key }}) as {{ key }},

    -- numerics
    coalesce(listening.listens, 0) as listens,
    coalesce(listening.listeners, 0) as listeners,
    coalesce(first_listens.discoveries, 0) as discoveries,
    {{ sum_of_known('listening.skips', 'uncounted.skips') }} as skips,
    coalesce(listening.listens_with_skip_known, 0) + coalesce(uncounted.listens_with_skip_known, 0)
        as listens_with_skip_known,
    listening.ms_played,

    -- timestamps
    coalesce(listening.listened_on, uncounted.listened_on) as listened_on
from listening
full outer join uncounted
    on
        listening.{{ key }} = uncounted.{{ key }}
        and listening.listened_on = uncounted.listened_on
left join first_listens
    on
        listening.{{ key }} = first_listens.{{ key }}
        and listening.listened_on = first_listens.listened_on
{%- endmacro %}
