{#
  The instants to build, one row each: `as_of` (date) and `as_of_at` (midnight UTC of that date). AUDOTICS_AS_OF_DATES
  names the dates, separated by commas; without it, it is the date of the build in UTC.

  From the environment and only when models are run: with other variables dbt parses the whole project again.
#}
{% macro as_of_instants() -%}
    {%- set dates = env_var('AUDOTICS_AS_OF_DATES', '') if execute else '' -%}
    select
        dates.as_of,
        dates.as_of::timestamp at time zone 'UTC' as as_of_at
    from (
        {%- for as_of in dates.split(',') if as_of %}
        select date '{{ as_of }}' as as_of
        {%- if not loop.last %} union all {%- endif %}
        {%- else %}
        select (current_timestamp at time zone 'UTC')::date as as_of
        {%- endfor %}
    ) as dates
{%- endmacro %}

{# Before a full refresh of a feature mart in the platform's target: it will hold the dates of that build alone. #}
{% macro delete_feature_dates() -%}
    {%- if execute and flags.FULL_REFRESH and target.name == 'warehouse' -%}
        delete from {{ source('builds', 'feature_dates') }}
    {%- endif -%}
{%- endmacro %}
