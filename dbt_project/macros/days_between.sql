{# Age in days, as a float, of an earlier instant at a later one. #}
{% macro days_between(earlier, later) -%}
    extract(epoch from {{ later }} - {{ earlier }})::double precision / 86400
{%- endmacro %}
