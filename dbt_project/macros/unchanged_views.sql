{#
  Views that stand as they are declared are left alone: docs/adr/0016-unchanged-views-stay.md. One that is not is replaced
  as dbt always does, which drops the views that read it; they are built again after it, being gone.
#}
{% materialization view, adapter='postgres' %}
    {%- set built = load_cached_relation(this) -%}
    {%- if built and built.is_view and not should_full_refresh() and view_is_unchanged() -%}
        {%- do store_raw_result('main', message='UNCHANGED', code='UNCHANGED', rows_affected=0) -%}
        {{ return({'relations': [built]}) }}
    {%- endif -%}
    {{ return(materialization_view_default()) }}
{% endmaterialization %}

{# Digest of what a view is built from: its compiled SQL, and the descriptions that are written beside it. #}
{% macro view_definition() -%}
    {%- set columns = [] -%}
    {%- for column in model.columns.values() -%}
        {%- do columns.append([column.name, column.get('data_type'), column.description]) -%}
    {%- endfor -%}
    {{ return(local_md5(tojson([model.compiled_code, model.description, columns]))) }}
{%- endmacro %}

{% macro view_is_unchanged() -%}
    {%- set query -%}
        select 1 from builds.views where view_name = '{{ model.name }}' and definition = '{{ view_definition() }}'
    {%- endset -%}
    {{ return(run_query(query).rows | length > 0) }}
{%- endmacro %}

{# After a view is built, in its transaction: what it was built from. #}
{% macro record_view() -%}
    {%- if execute -%}
        insert into builds.views (view_name, definition)
        values ('{{ model.name }}', '{{ view_definition() }}')
        on conflict (view_name) do update set definition = excluded.definition
    {%- endif -%}
{%- endmacro %}
