{# What a build makes again: the days that changed, whatever came in which order. #}

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
        {%- if parent and parent.config.get('incremental_strategy') == 'changed_days' -%}
            {%- do parents.append("'" ~ built_name(parent) ~ "'") -%}
        {%- elif parent -%}
            {%- do parents.extend(rebuilt_parents(parent)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(parents | unique | list) }}
{%- endmacro %}

{#
  What the model is rebuilt for, asked once in a command: `version` of raw.listen_days that it reflects (none where other
  code built it, or nothing did: every day is rebuilt), `noted`, the last version that is known of, `available`, the version
  up to which it may count itself built afterwards, `definition`, and the `stretches` of days that changed.
#}
{% macro rebuild_plan() -%}
    {%- set node = graph.nodes[model.unique_id] -%}
    {%- if node.get('rebuild_plan', {}).get('invocation_id') != invocation_id -%}
        {%- set rows = run_query(rebuild_query()).rows -%}
        {%- set stretches = [] -%}
        {%- for row in rows if row['first_day'] -%}{%- do stretches.append([row['first_day'], row['last_day']]) -%}{%- endfor -%}
        {%- do node.update({'rebuild_plan': {
            'invocation_id': invocation_id,
            'version': rows[0]['version'],
            'noted': rows[0]['noted'],
            'available': rows[0]['available'],
            'definition': rows[0]['definition'],
            'stretches': stretches,
            'in_place': false,
        }}) -%}
    {%- endif -%}
    {{ return(node['rebuild_plan']) }}
{%- endmacro %}

{# Query: that, with a row for each stretch. What changed is told by raw.listen_days and by what the model reads. #}
{% macro rebuild_query() -%}
    {%- set parents = rebuilt_parents(model) | join(', ') or "''" -%}
    with code as (
        select md5(
            '{{ known_code().get('models', {}).get(model.unique_id) }}'
            || coalesce((select ' ' || string_agg(definition, ' ' order by model) from {{ source('builds', 'models') }}
                where model in ({{ parents }})), '')
        ) as definition
    ),

    built as (
        select max(models.version) as version from {{ source('builds', 'models') }} as models
        inner join code on models.definition = code.definition
        where models.model = '{{ built_name(model) }}'
    ),

    noted as (
        select listened_on, version from {{ source('builds', 'days') }} where invocation_id = '{{ invocation_id }}'
        union all
        select listened_on, version from {{ source('builds', 'model_days') }} where model in ({{ parents }})
    ),

    changed as (
        select distinct noted.listened_on from noted
        cross join built
        where built.version is null or noted.version > built.version
    ),

    stretches as (
        {{ stretches_of('changed', "(select case when version is null then 1 else 32 end from built)") }}
    )

    select
        built.version,
        code.definition,
        (select coalesce(max(version), 0) from noted) as noted,
        {%- if parents == "''" %}
        (select coalesce(max(version), 0) from noted) as available,
        {%- else %}
        -- Another command may have built the parents up to a later load, which this one does not know.
        least(
            (select coalesce(max(version), 0) from {{ source('builds', 'days') }} where invocation_id = '{{ invocation_id }}'),
            (select coalesce(min(version), 0) from {{ source('builds', 'models') }} where model in ({{ parents }}))
        ) as available,
        {%- endif %}
        stretches.first_day,
        stretches.last_day
    from built
    cross join code
    left join stretches on true
    order by stretches.first_day
{%- endmacro %}

{#
  Query: the first and the last day of each stretch of the days (`listened_on`) of a relation, as YYYY-MM-DD. Of more than
  `at_most`, those that are nearest to each other are one: a condition of hundreds of stretches costs more than it saves.
#}
{% macro stretches_of(days, at_most=32) -%}
    select cast(min(listened_on) as text) as first_day, cast(max(listened_on) as text) as last_day
    from (
        select
            listened_on,
            count(*) filter (where days_apart > 1 and place < {{ at_most }}) over (order by listened_on) as stretch
        from (
            select *, row_number() over (order by days_apart desc nulls last, listened_on) as place
            from (
                select listened_on, listened_on - lag(listened_on) over (order by listened_on) as days_apart
                from {{ days }}
            ) as following
        ) as placed
    ) as stretched
    group by stretch
{%- endmacro %}

{# The stretches of days for which the model is rebuilt, each its first and its last day as YYYY-MM-DD. #}
{% macro changed_days() -%}
    {{ return(rebuild_plan()['stretches'] if execute else []) }}
{%- endmacro %}
