{# Models of the `from_day` strategy are rebuilt from the first changed day on: docs/adr/0007-rebuild-from-a-day.md. #}

{# What `audotics env` and Dagster say of the project's code (assets/dbt_project.py); empty where neither did. #}
{% macro known_code() -%}
    {{ return(fromjson(env_var('AUDOTICS_DBT_CODE', '{}'))) }}
{%- endmacro %}

{# Digest of the project as dbt has read it, to be compared with that of the project whose code is known. #}
{% macro project_digest() -%}
    {%- set parts = [] -%}
    {%- for id, node in graph.nodes.items() | sort if node.resource_type in ('model', 'snapshot', 'seed') -%}
        {%- set settings = [node.config.materialized, node.config.incremental_strategy, node.config.unique_key] -%}
        {%- do parts.append(id ~ ' ' ~ node.checksum.checksum ~ ' ' ~ settings | join(' ')) -%}
    {%- endfor -%}
    {%- for name, macro in context[project_name].items() | sort -%}
        {%- do parts.append(macro.macro.macro_sql) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | join('\n'))) }}
{%- endmacro %}

{#
  Refuse to build with code that is not known: what it wrote would be taken for what other code writes, and days that
  other code wrote for its own.
#}
{% macro require_known_code() -%}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- set known = known_code() -%}
        {%- set changed = [] -%}
        {%- for name, value in known.get('variables', {}).items() if var(name) != value -%}
            {%- do changed.append(name) -%}
        {%- endfor -%}
        {%- if changed or known.get('project') != project_digest() -%}
            {{ exceptions.raise_compiler_error(
                'the project, or a variable of it, is not the one that the environment tells of;'
                ~ ' eval "$(audotics env)", then run this again'
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# At the start of a command: fix which days changed, so that a load that commits meanwhile waits for the next build. #}
{% macro fix_changed_days() -%}
    {{- require_known_code() -}}
    delete from {{ source('builds', 'days') }} where begun_at < current_timestamp - interval '1 day';
    {{ note_changed_days() }}
{%- endmacro %}

{# The statement that fixes the days as they stand. #}
{% macro note_changed_days() -%}
    insert into {{ source('builds', 'days') }} (invocation_id, listened_on, version, begun_at)
    select '{{ invocation_id }}', listened_on, version, current_timestamp from {{ source('raw', 'listen_days') }}
{%- endmacro %}

{# The name of a model in builds.models: its relation, so that every target has one of its own. #}
{% macro built_name(node) -%}
    {{ return(node.schema ~ '.' ~ node.alias) }}
{%- endmacro %}

{# The names, quoted, of the models built by day that a node reads, itself or by way of nodes that are not. #}
{% macro rebuilt_parents(node) -%}
    {%- set parents = [] -%}
    {%- for id in node.depends_on.nodes -%}
        {%- set parent = graph.nodes.get(id) -%}
        {%- if parent and parent.config.get('incremental_strategy') == 'from_day' -%}
            {%- do parents.append("'" ~ built_name(parent) ~ "'") -%}
        {%- elif parent -%}
            {%- do parents.extend(rebuilt_parents(parent)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(parents | unique | list) }}
{%- endmacro %}

{# Query: the version up to which the model may count itself built: what its parents reflect. #}
{% macro available_version() -%}
    {%- set parents = rebuilt_parents(model) -%}
    {%- if parents -%}
        (select coalesce(min(version), 0) from {{ source('builds', 'models') }} where model in ({{ parents | join(', ') }}))
    {%- else -%}
        (select coalesce(max(version), 0) from {{ source('builds', 'days') }} where invocation_id = '{{ invocation_id }}')
    {%- endif -%}
{%- endmacro %}

{# Expression: digest of the model's code, and of that by which the models built by day that it reads were built. #}
{% macro definition() -%}
    {%- set parents = rebuilt_parents(model) -%}
    md5('{{ known_code().get('models', {}).get(model.unique_id) }}'
    {%- if parents %} || (
        select coalesce(' ' || string_agg(definition, ' ' order by model), '') from {{ source('builds', 'models') }}
        where model in ({{ parents | join(', ') }})
    ){% endif -%}
    )
{%- endmacro %}

{#
  The first day that changed since the model was built, as YYYY-MM-DD; far in the future when none did. A model whose
  definition changed counts as never built.
#}
{% macro rebuild_from_day() -%}
    {%- if not execute -%}{{ return('9999-12-31') }}{%- endif -%}
    {%- set query -%}
        select cast(coalesce(min(days.listened_on), date '9999-12-31') as text) as rebuild_from_day
        from {{ source('builds', 'days') }} as days
        where
            days.invocation_id = '{{ invocation_id }}'
            and days.version > coalesce(
                (
                    select version from {{ source('builds', 'models') }}
                    where model = '{{ built_name(model) }}' and definition = {{ definition() }}
                ),
                0
            )
    {%- endset -%}
    {{ return(run_query(query).columns[0].values()[0]) }}
{%- endmacro %}

{# The literals of that day and of its first instant, so that the planner sees a constant. #}
{% macro rebuild_date() -%}
    date '{{ rebuild_from_day() }}'
{%- endmacro %}

{% macro rebuild_instant() -%}
    timestamptz '{{ rebuild_from_day() }} 00:00:00+00'
{%- endmacro %}

{#
  Strategy: replace every row from the first changed day on. `rebuild_where` says which rows those are, when it is not
  `listened_on` that tells; rows of the temporary relation with the same `unique_key` are replaced as well.
#}
{% macro get_incremental_from_day_sql(arg_dict) -%}
    {%- set from_day = rebuild_from_day() -%}
    {%- if from_day not in model.compiled_code -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " was built by another dbt command meanwhile; run this one again"
        ) }}
    {%- endif -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set source = arg_dict['temp_relation'] -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ target }} where {{ render(rebuilt_rows(config.get('rebuild_where'), from_day)) }};
    {%- if arg_dict['unique_key'] %}
    delete from {{ target }} where {{ arg_dict['unique_key'] }} in (select {{ arg_dict['unique_key'] }} from {{ source }});
    {%- endif %}
    insert into {{ target }} ({{ columns }}) select {{ columns }} from {{ source }}
{%- endmacro %}

{# The condition `rebuild_where` (see above) from a day on. #}
{% macro rebuilt_rows(rebuild_where, day) -%}
    {{-
        (rebuild_where or 'listened_on >= __rebuild_date__')
        | replace('__rebuild_date__', "date '" ~ day ~ "'")
        | replace('__rebuild_instant__', "timestamptz '" ~ day ~ " 00:00:00+00'")
    -}}
{%- endmacro %}

{# After the model is built, in its transaction: what it reflects now, and statistics if it was built whole. #}
{% macro record_rebuild() -%}
    {%- if execute -%}
        {%- set known -%}
            select 1 from {{ source('builds', 'models') }} where model = '{{ built_name(model) }}'
        {%- endset -%}
        {%- set from_day = rebuild_from_day() -%}
        {%- if flags.FULL_REFRESH or not run_query(known).rows -%}
            analyze {{ this }};
            insert into {{ source('builds', 'models') }} (model, definition, version, rebuilt_from, tested)
            values ('{{ built_name(model) }}', {{ definition() }}, {{ available_version() }}, null, false)
            on conflict (model) do update
            set
                definition = excluded.definition,
                version = excluded.version,
                rebuilt_from = excluded.rebuilt_from,
                tested = excluded.tested
        {%- elif from_day == '9999-12-31' -%}
            update {{ source('builds', 'models') }}
            set
                version = {{ available_version() }},
                -- Nothing was written: what has passed its tests need not pass them again.
                rebuilt_from = case when tested then date '{{ from_day }}' else rebuilt_from end
            where model = '{{ built_name(model) }}'
        {%- else -%}
            update {{ source('builds', 'models') }}
            set
                definition = {{ definition() }},
                version = {{ available_version() }},
                -- Days whose tests have not passed are tested again. Null, every day, is the smallest.
                rebuilt_from = case when tested or rebuilt_from >= date '{{ from_day }}' then date '{{ from_day }}'
                    else rebuilt_from end,
                tested = false
            where model = '{{ built_name(model) }}'
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# The rebuilt model whose rows a node holds: itself, or what a view names in `meta: {rebuilt_as: ...}`. #}
{% macro rebuilt_model(node) -%}
    {%- set name = node.config.get('meta', {}).get('rebuilt_as', node.name) -%}
    {%- set rebuilt = graph.nodes.get('model.' ~ node.package_name ~ '.' ~ name) -%}
    {{ return(rebuilt if rebuilt and rebuilt.config.get('incremental_strategy') == 'from_day' else none) }}
{%- endmacro %}

{# At the end of a command: the models whose data tests all ran and passed. #}
{% macro record_tests(results) -%}
    {%- if not execute -%}{{ return('') }}{%- endif -%}
    {%- set passed = [] -%}
    {%- for result in results if result.node.resource_type == 'test' and result.status in ('pass', 'warn') -%}
        {%- do passed.append(result.node.unique_id) -%}
    {%- endfor -%}
    {%- set built = [] -%}
    {%- for result in results if result.node.resource_type == 'model' and result.status == 'success' -%}
        {%- if result.node.config.get('incremental_strategy') == 'from_day' -%}
            {%- do built.append(built_name(result.node)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set doubtful = [] -%}
    {%- for test in graph.nodes.values() if test.resource_type == 'test' and test.unique_id not in passed -%}
        {%- set tested = graph.nodes.get(test.attached_node) -%}
        {%- set rebuilt = rebuilt_model(tested) if tested else none -%}
        {%- if rebuilt -%}
            {%- do doubtful.append(built_name(rebuilt)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set names = [] -%}
    {%- for name in built if name not in doubtful -%}
        {%- do names.append("'" ~ name ~ "'") -%}
    {%- endfor -%}
    {%- if names -%}
        update {{ source('builds', 'models') }} set tested = true where model in ({{ names | join(', ') }})
    {%- endif -%}
{%- endmacro %}

{#
  The rows that a generic test reads: of a rebuilt model, those written since its tests last passed; of features, those
  of the build's dates. So tests cost as much as the build. With AUDOTICS_TEST_EVERY_ROW=true they read every row.
#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [config.get('where')] if config.get('where') else [] -%}
    {%- set tested = graph.nodes.get(model.attached_node) if execute else none -%}
    {%- if tested and not tests_every_row() -%}
        {%- do conditions.extend(rows_of_last_build(tested)) -%}
    {%- endif -%}
    {%- if conditions -%}
        {{ return("(select * from " ~ relation ~ " where " ~ conditions | join(' and ') ~ ") as dbt_subquery") }}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}

{# Whether this run tests every row. From the environment: with other variables dbt parses the whole project again. #}
{% macro tests_every_row() -%}
    {{ return(execute and env_var('AUDOTICS_TEST_EVERY_ROW', 'false') == 'true') }}
{%- endmacro %}

{#
  The conditions on a model's rows that its last build wrote, none when that is all of them or the model is small enough
  to be tested whole (`meta: {test_every_row: true}`). Features are built for the instants of `as_of_instants`.
#}
{% macro rows_of_last_build(tested) -%}
    {%- if tested.config.get('incremental_strategy') == 'delete+insert' -%}
        {{ return(["as_of in (select as_of from (" ~ as_of_instants() ~ ") as as_ofs)"]) }}
    {%- endif -%}
    {%- set rebuilt = rebuilt_model(tested) -%}
    {%- if rebuilt and not tested.config.get('meta', {}).get('test_every_row') -%}
        {%- set query -%}
            select cast(rebuilt_from as text) from {{ source('builds', 'models') }} where model = '{{ built_name(rebuilt) }}'
        {%- endset -%}
        {%- set rows = run_query(query).columns[0].values() -%}
        {%- if rows and rows[0] -%}
            {{ return([rebuilt_rows(rebuilt.config.get('rebuild_where'), rows[0])]) }}
        {%- endif -%}
    {%- endif -%}
    {{ return([]) }}
{%- endmacro %}
