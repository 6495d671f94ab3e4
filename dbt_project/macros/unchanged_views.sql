{#
  Views that stand as they are declared are left alone: docs/adr/0016-unchanged-views-stay.md. One that is not is replaced
  as dbt always does, which drops the views that read it; they are built again after it, being gone.
#}
{% materialization view, adapter='postgres' %}
    {#- What a killed command left: until it is dropped, the views that read this one read that one. -#}
    {%- set leftover = load_cached_relation(make_backup_relation(this, 'view')) -%}
    {%- if not leftover and not should_full_refresh() and view_is_unchanged() -%}
        {%- do store_raw_result('main', message='UNCHANGED', code='UNCHANGED', rows_affected=0) -%}
        {{ return({'relations': [this.incorporate(type='view')]}) }}
    {%- endif -%}
    {{ return(materialization_view_default()) }}
{% endmaterialization %}

{# Digest of what a view is built from: its compiled SQL, who may read it, and the descriptions beside it. #}
{% macro view_definition() -%}
    {%- set columns = [] -%}
    {%- for column in model.columns.values() -%}
        {%- do columns.append([column.name, column.get('data_type'), column.description]) -%}
    {%- endfor -%}
    {{ return(local_md5(tojson([model.compiled_code, config.get('grants'), model.description, columns]))) }}
{%- endmacro %}

{# Expression: the identity of the view that stands there, null when none does. A view that is replaced gets another. #}
{% macro standing_view() -%}
    cast(to_regclass('{{ this.include(database=false) }}') as oid)
{%- endmacro %}

{% macro view_is_unchanged() -%}
    {%- set query -%}
        select 1 from {{ source('builds', 'views') }}
        where
            view_name = '{{ built_name(model) }}'
            and definition = '{{ view_definition() }}'
            and view_oid = {{ standing_view() }}
    {%- endset -%}
    {{ return(run_query(query).rows | length > 0) }}
{%- endmacro %}

{# After a view is built, in its transaction: which one that is, and what it was built from. #}
{% macro record_view() -%}
    {%- if execute -%}
        insert into {{ source('builds', 'views') }} (view_name, view_oid, definition)
        values ('{{ built_name(model) }}', {{ standing_view() }}, '{{ view_definition() }}')
        on conflict (view_name) do update set view_oid = excluded.view_oid, definition = excluded.definition
    {%- endif -%}
{%- endmacro %}
