{# The instants to build, one row each: `as_of` (date) and `as_of_at` (midnight UTC of that date). #}
{% macro as_of_instants() -%}
    select
        dates.as_of,
        dates.as_of::timestamp at time zone 'UTC' as as_of_at
    from (
        {%- for as_of in var('as_of_dates') %}
        select date '{{ as_of }}' as as_of
        {%- if not loop.last %} union all {%- endif %}
        {%- else %}
        select (current_timestamp at time zone 'UTC')::date as as_of
        {%- endfor %}
    ) as dates
{%- endmacro %}
