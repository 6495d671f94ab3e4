{# Age in days, as a float, of an earlier instant at a later one. #}
{% macro days_between(earlier, later) -%}
    (extract(epoch from {{ later }} - {{ earlier }}) / 86400.0)::double precision
{%- endmacro %}
