{# Models of the `from_day` strategy are rebuilt from the first changed day on: docs/adr/0007-rebuild-from-a-day.md. #}

{# At the start of a command: fix which days changed, so that a load that commits meanwhile waits for the next build. #}
{% macro fix_changed_days() -%}
    delete from builds.days where begun_at < current_timestamp - interval '1 day';
    insert into builds.days (invocation_id, listened_on, version, begun_at)
    select '{{ invocation_id }}', listened_on, version, current_timestamp from raw.listen_days
{%- endmacro %}

{# The names of the model's parents that are rebuilt as well, quoted. #}
{% macro rebuilt_parents() -%}
    {%- set parents = [] -%}
    {%- for id in model.depends_on.nodes -%}
        {%- set parent = graph.nodes.get(id) -%}
        {%- if parent and parent.config.get('incremental_strategy') == 'from_day' -%}
            {%- do parents.append("'" ~ parent.name ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(parents) }}
{%- endmacro %}

{# Query: the version up to which the model may count itself built: what its rebuilt parents reflect. #}
{% macro available_version() -%}
    {%- set parents = rebuilt_parents() -%}
    {%- if parents -%}
        (select coalesce(min(version), 0) from builds.models where model in ({{ parents | join(', ') }}))
    {%- else -%}
        (select coalesce(max(version), 0) from builds.days where invocation_id = '{{ invocation_id }}')
    {%- endif -%}
{%- endmacro %}

{# Expression: digest of the model's SQL, of that of the views it reads, and of its rebuilt parents as built. #}
{% macro definition() -%}
    {%- set parts = [model.checksum.checksum] -%}
    {%- for id in model.depends_on.nodes | sort -%}
        {%- set parent = graph.nodes.get(id) -%}
        {%- if parent and parent.config.get('materialized') == 'view' -%}
            {%- do parts.append(parent.checksum.checksum) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set parents = rebuilt_parents() -%}
    md5('{{ parts | join(' ') }}'
    {%- if parents %} || (
        select coalesce(' ' || string_agg(definition, ' ' order by model), '') from builds.models
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
        from builds.days as days
        where
            days.invocation_id = '{{ invocation_id }}'
            and days.version > coalesce(
                (
                    select version from builds.models
                    where model = '{{ model.name }}' and definition = {{ definition() }}
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
    delete from {{ target }} where {{ rebuilt_rows(config.get('rebuild_where'), from_day) }};
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
        {%- set known = run_query("select 1 from builds.models where model = '" ~ model.name ~ "'").rows | length > 0 -%}
        {%- set from_day = rebuild_from_day() -%}
        {%- if flags.FULL_REFRESH or not known -%}
            analyze {{ this }};
            insert into builds.models (model, definition, version, replayed_from, tested)
            values ('{{ model.name }}', {{ definition() }}, {{ available_version() }}, null, false)
            on conflict (model) do update
            set
                definition = excluded.definition,
                version = excluded.version,
                replayed_from = excluded.replayed_from,
                tested = excluded.tested
        {%- elif from_day == '9999-12-31' -%}
            update builds.models
            set
                version = {{ available_version() }},
                -- Nothing was written: what has passed its tests need not pass them again.
                replayed_from = case when tested then date '{{ from_day }}' else replayed_from end
            where model = '{{ model.name }}'
        {%- else -%}
            update builds.models
            set
                definition = {{ definition() }},
                version = {{ available_version() }},
                -- Days whose tests have not passed are tested again. Null, every day, is the smallest.
                replayed_from = case when tested or replayed_from >= date '{{ from_day }}' then date '{{ from_day }}'
                    else replayed_from end,
                tested = false
            where model = '{{ model.name }}'
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# The rebuilt model whose rows a node holds: itself, or what a view names in `meta: {rebuilt_as: ...}`. #}
{% macro rebuilt_model(node) -%}
    {%- set name = node.config.get('meta', {}).get('rebuilt_as', node.name) -%}
    {%- set rebuilt = graph.nodes.get('model.' ~ node.package_name ~ '.' ~ name) -%}
    {{ return(rebuilt if rebuilt and rebuilt.config.get('incremental_strategy') == 'from_day' else none) }}
{%- endmacro %}

{# At the end of a command: the models of which every data test ran and passed. #}
{% macro record_tests(results) -%}
    {%- if not execute -%}{{ return('') }}{%- endif -%}
    {%- set passed = [] -%}
    {%- for result in results if result.node.resource_type == 'test' and result.status in ('pass', 'warn') -%}
        {%- do passed.append(result.node.unique_id) -%}
    {%- endfor -%}
    {%- set built = [] -%}
    {%- for result in results if result.node.resource_type == 'model' and result.status == 'success' -%}
        {%- if result.node.config.get('incremental_strategy') == 'from_day' -%}
            {%- do built.append(result.node.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set doubtful = [] -%}
    {%- for test in graph.nodes.values() if test.resource_type == 'test' and test.unique_id not in passed -%}
        {%- set tested = graph.nodes.get(test.attached_node) -%}
        {%- set rebuilt = rebuilt_model(tested) if tested else none -%}
        {%- if rebuilt -%}
            {%- do doubtful.append(rebuilt.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set names = [] -%}
    {%- for name in built if name not in doubtful -%}
        {%- do names.append("'" ~ name ~ "'") -%}
    {%- endfor -%}
    {%- if names -%}
        update builds.models set tested = true where model in ({{ names | join(', ') }})
    {%- endif -%}
{%- endmacro %}

{#
  What a generic test looks at: of a rebuilt model, the rows written since its tests last passed; of features, those of
  the build's dates. So tests cost as much as the build. `--vars 'test_all: true'` looks at every row.
#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [config.get('where')] if config.get('where') else [] -%}
    {%- set tested = graph.nodes.get(model.attached_node) if execute else none -%}
    {%- if tested and not var('test_all') -%}
        {%- do conditions.extend(rows_of_last_build(tested)) -%}
    {%- endif -%}
    {%- if conditions -%}
        {{ return("(select * from " ~ relation ~ " where " ~ conditions | join(' and ') ~ ") as dbt_subquery") }}
    {%- endif -%}
    {{ return(relation) }}
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
            select cast(replayed_from as text) from builds.models where model = '{{ rebuilt.name }}'
        {%- endset -%}
        {%- set rows = run_query(query).columns[0].values() -%}
        {%- if rows and rows[0] -%}
            {{ return([rebuilt_rows(rebuilt.config.get('rebuild_where'), rows[0])]) }}
        {%- endif -%}
    {%- endif -%}
    {{ return([]) }}
{%- endmacro %}
