{#
  In the target that the platform builds, schemas are the layers' own names (core, features, …). In every other, a
  developer's or CI's, they have the target's schema before them: dev_ann_core.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if target.name == 'warehouse' or not custom_schema_name -%}
        {{ (custom_schema_name or target.schema) | trim }}
    {%- else -%}
        {{ target.schema }}_{{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
