{# What differs between databases about dates and instants. Instants are in UTC. #}

{% macro utc_date(instant) -%}
    ({{ instant }} at time zone 'UTC')::date
{%- endmacro %}

{% macro utc_midnight(day) -%}
    (cast({{ day }} as timestamp) at time zone 'UTC')
{%- endmacro %}

{% macro epoch_seconds(instant) -%}
    extract(epoch from {{ instant }})::bigint
{%- endmacro %}

{% macro add_days(day, days) -%}
    {%- set count = days | int -%}
    ({{ day }} {{ '+' if count >= 0 else '-' }} {{ count | abs }})
{%- endmacro %}

{# First date of the week (a Monday) or month of a date. #}
{% macro start_of(period, day) -%}
    date_trunc('{{ period }}', {{ day }})::date
{%- endmacro %}

{# First date after the week (a Monday) or month that begins on a date. #}
{% macro next_start_of(period, first_day) -%}
    ({{ first_day }} + interval '1 {{ period }}')::date
{%- endmacro %}

{% macro add_milliseconds(instant, milliseconds) -%}
    ({{ instant }} + {{ milliseconds }} * interval '1 millisecond')
{%- endmacro %}

{# Whole months from the first date of a month to that of a later one. #}
{% macro months_between(earlier, later) -%}
    (
        12 * (extract(year from {{ later }}) - extract(year from {{ earlier }}))
        + extract(month from {{ later }}) - extract(month from {{ earlier }})
    )::integer
{%- endmacro %}

{# In a select list: one row per date from the first to the last. #}
{% macro each_day(first_day, last_day) -%}
    generate_series({{ first_day }}::timestamp, {{ last_day }}::timestamp, interval '1 day')::date
{%- endmacro %}

{# An interval of so many days, as windows over dates take it. #}
{% macro days_before(days) -%}
    interval '{{ days | int }} days'
{%- endmacro %}

{% macro milliseconds_between(earlier, later) -%}
    (extract(epoch from {{ later }} - {{ earlier }}) * 1000)::bigint
{%- endmacro %}
