{# Tests follow builds: of models that are rebuilt by day they read what was rebuilt since their tests last passed. #}

{# The rebuilt model whose rows a node holds: itself, or what a view names in `meta: {rebuilt_as: ...}`. #}
{% macro rebuilt_model(node) -%}
    {%- set name = node.config.get('meta', {}).get('rebuilt_as', node.name) -%}
    {%- set rebuilt = graph.nodes.get('model.' ~ node.package_name ~ '.' ~ name) -%}
    {{ return(rebuilt if rebuilt and rebuilt.config.get('incremental_strategy') == 'changed_days' else none) }}
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
        {%- if result.node.config.get('incremental_strategy') == 'changed_days' -%}
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
  The rows that a generic test reads: of a rebuilt model, those of the days rebuilt since its tests last passed; of features, those
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
        {%- set stretches = stretches_of_last_build(rebuilt) -%}
        {%- if stretches is not none -%}
            {%- set told = [] -%}
            {%- for column in rebuild_setting(rebuilt.config.get('rebuild'))['columns'] -%}
                {%- do told.append(in_days(column, stretches=stretches)) -%}
            {%- endfor -%}
            {{ return(['(' ~ told | join(' or ') ~ ')']) }}
        {%- endif -%}
    {%- endif -%}
    {{ return([]) }}
{%- endmacro %}

{# The stretches of days that a model was rebuilt for since its tests last passed; none for every day. #}
{% macro stretches_of_last_build(node) -%}
    {%- set rebuilt -%}
        select rebuilt_days from {{ source('builds', 'models') }}
        where model = '{{ built_name(node) }}' and rebuilt_days is not null
    {%- endset -%}
    {%- if not run_query(rebuilt).rows -%}{{ return(none) }}{%- endif -%}
    {%- set days -%}
        (
            select cast(generate_series(lower(range), upper(range) - 1, interval '1 day') as date) as listened_on
            from ({{ rebuilt }}) as rebuilt cross join unnest(rebuilt_days) as range
        ) as days
    {%- endset -%}
    {%- set stretches = [] -%}
    {%- for row in run_query(stretches_of(days)).rows -%}
        {%- do stretches.append([row['first_day'], row['last_day']]) -%}
    {%- endfor -%}
    {{ return(stretches) }}
{%- endmacro %}
