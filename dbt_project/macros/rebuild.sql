{#
  Models of the `changed_days` strategy are rebuilt on the days that changed: docs/adr/0040-rebuild-the-days-that-changed.md.
  A model's `rebuild` setting says which of its rows a changed day is told by, as the arguments of `in_days`.
#}

{#
  Strategy: make the rows of the days in question, and those with a key (`unique_key`) of the temporary relation, what the
  temporary relation says. Rows that are so already are left alone; the days of the others are noted, for what reads them.
  `rebuild_where` says which rows go besides, if they are not in the temporary relation.
#}
{% macro get_incremental_changed_days_sql(arg_dict) -%}
    {%- set plan = rebuild_plan() -%}
    {{- require_same_version(plan) -}}
    {%- do plan.update({'in_place': true}) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set source = arg_dict['temp_relation'] -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | list -%}
    {%- set keys = [arg_dict['unique_key']] if arg_dict['unique_key'] is string else arg_dict['unique_key'] -%}
    {%- set same_key = [] -%}
    {%- for key in keys -%}{%- do same_key.append('made.' ~ key ~ ' = built.' ~ key) -%}{%- endfor -%}
    {%- set same_key = same_key | join(' and ') -%}
    {%- set made, built = ('(made.' ~ columns | join(', made.') ~ ')', '(built.' ~ columns | join(', built.') ~ ')') -%}
    {%- set setting = rebuild_setting(config.get('rebuild')) -%}
    {%- set told = [] -%}
    {%- for column in setting['columns'] -%}{%- do told.append(in_days(column, **setting['widened'])) -%}{%- endfor -%}
    {%- if config.get('rebuild_where') -%}{%- do told.append(render(config.get('rebuild_where'))) -%}{%- endif -%}
    {#- Few rows are found by key in many; a model may have turned it off for its own query. -#}
    set local enable_nestloop = on;
    with gone as (
        delete from {{ target }} as built
        where
            ({{ told | join(' or ') }})
            {%- if plan['version'] is not none %}
            and not exists (select 1 from {{ source }} as made where {{ same_key }} and {{ made }} is not distinct from {{ built }})
            {%- endif %}
        returning {{ day_of(setting['columns'][0]) }} as listened_on
    )
    {{ note_days('gone', plan) }};
    with gone as (
        delete from {{ target }} as built using {{ source }} as made
        where {{ same_key }} and {{ made }} is distinct from {{ built }}
        returning {{ day_of('built.' ~ setting['columns'][0]) }} as listened_on
    )
    {{ note_days('gone', plan) }};
    with made as (
        insert into {{ target }} ({{ columns | join(', ') }})
        select {{ columns | join(', ') }} from {{ source }} as made
        where not exists (select 1 from {{ target }} as built where {{ same_key }})
        returning {{ day_of(setting['columns'][0]) }} as listened_on
    )
    {{ note_days('made', plan) }}
{%- endmacro %}

{# Error where another command has built the model since this one asked what to rebuild. #}
{% macro require_same_version(plan) -%}
    {%- set query -%}
        select version from {{ source('builds', 'models') }}
        where model = '{{ built_name(model) }}' and definition = '{{ plan['definition'] }}'
    {%- endset -%}
    {%- set rows = run_query(query).rows -%}
    {%- if (rows[0]['version'] if rows else none) != plan['version'] -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " was built by another dbt command meanwhile; run this one again"
        ) }}
    {%- endif -%}
{%- endmacro %}

{# Statement: these days of the model have changed. #}
{% macro note_days(days, plan) -%}
    insert into {{ source('builds', 'model_days') }} as noted (model, listened_on, version)
    select distinct '{{ built_name(model) }}', listened_on, {{ plan['noted'] }} from {{ days }}
    on conflict (model, listened_on) do update set version = greatest(noted.version, excluded.version)
{%- endmacro %}

{# After the model is built, in its transaction: what it reflects now, and statistics if it was built whole. #}
{% macro record_rebuild() -%}
    {%- if execute -%}
        {%- set plan = rebuild_plan() -%}
        {%- set name = built_name(model) -%}
        {%- set whole = not plan['in_place'] or plan['version'] is none -%}
        {%- if not plan['in_place'] -%}
            analyze {{ this }};
        {%- endif -%}
        {%- if whole -%}
            {{ note_days(source('builds', 'days') ~ " where invocation_id = '" ~ invocation_id ~ "'", plan) }};
            insert into {{ source('builds', 'models') }} (model, definition, version, rebuilt_days, tested)
            values ('{{ name }}', '{{ plan['definition'] }}', {{ plan['available'] }}, null, false)
            on conflict (model) do update
            set
                definition = excluded.definition,
                version = excluded.version,
                rebuilt_days = excluded.rebuilt_days,
                tested = excluded.tested
        {%- else -%}
            update {{ source('builds', 'models') }}
            set
                version = {{ plan['available'] }},
                -- Days whose tests have not passed are tested again. Null, every day, stays so.
                rebuilt_days = case when tested then '{}' else rebuilt_days end
                {%- if plan['stretches'] %}
                + '{{ multirange(plan['stretches']) }}' + (
                    select coalesce(range_agg(daterange(listened_on, listened_on, '[]')), '{}')
                    from {{ source('builds', 'model_days') }}
                    where model = '{{ name }}' and version = {{ plan['noted'] }}
                ),
                tested = false
                {%- endif %}
            where model = '{{ name }}'
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
