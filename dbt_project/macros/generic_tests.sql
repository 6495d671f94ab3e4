{# The columns together are the key of the model: no two rows share them. #}
{% test unique_grain(model, columns) %}
    select {{ columns | join(', ') }}, count(*) as row_count
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}

{# No column holds a null but those that may: one scan for all of them. #}
{% test never_null(model, nullable=[]) %}
    {%- set node = graph.nodes[context['model'].attached_node] if execute else {'columns': {}} %}
    {%- set columns = node.columns | reject('in', nullable) | list %}
    {%- if execute and columns | length + nullable | length != node.columns | length %}
        {{ exceptions.raise_compiler_error("never_null of " ~ node.name ~ ": no such columns in " ~ nullable) }}
    {%- endif %}
    select {{ columns | join(', ') }}
    from {{ model }}
    where {{ columns | join(' is null or ') }} is null
{% endtest %}

{#
  As many rows of each day, in the model and the others together, as raw.listens has, of the days that the model was rebuilt
  for since its tests last passed. Days that a load has changed since are left out: the next build has them.
#}
{% test every_listen(model, others) %}
    {%- set node = graph.nodes.get(context['model'].attached_node) if execute else none %}
    {#- Not when dbt parses: a test that depends on it would not be chosen with the model. #}
    {%- set models = source('builds', 'models') if execute else none %}
    {%- set stretches = stretches_of_last_build(node) if execute and not tests_every_row() else none %}
    select
        coalesce(built.listened_on, loaded.listened_on) as listened_on,
        built.listens as listens_built,
        loaded.listens as listens_loaded
    from (
        select listened_on, count(*) as listens
        from (
            select listened_on from {{ model }}
            {%- for other in others %}
            union all
            select listened_on from {{ other }}
            {%- if stretches is not none %} where {{ in_days('listened_on', stretches=stretches) }}{% endif %}
            {%- endfor %}
        ) as every_part
        group by listened_on
    ) as built
    full outer join (
        select {{ utc_date('listened_at') }} as listened_on, count(*) as listens
        from {{ source('raw', 'listens') }}
        {%- if stretches is not none %}
        where {{ in_days('listened_at', stretches=stretches) }}
        {%- endif %}
        group by {{ utc_date('listened_at') }}
    ) as loaded on built.listened_on = loaded.listened_on
    where
        built.listens is distinct from loaded.listens
        and not exists (
            select 1
            from {{ source('raw', 'listen_days') }} as days
            inner join {{ models }} as models on days.version > models.version
            where
                models.model = '{{ built_name(node) if node }}'
                and days.listened_on = coalesce(built.listened_on, loaded.listened_on)
        )
{% endtest %}

{#
  Every value lies in its column's range: `ranges` is {column: [least, greatest]}, null for a bound that is not checked.
  One scan for all of them.
#}
{% test in_ranges(model, ranges) %}
    select *
    from {{ model }}
    where false
    {%- for column, bounds in ranges.items() %}
    {%- if bounds[0] is not none %} or {{ column }} < {{ bounds[0] }}{% endif %}
    {%- if bounds[1] is not none %} or {{ column }} > {{ bounds[1] }}{% endif %}
    {%- endfor %}
{% endtest %}

{# No row has the same value in both columns; null is not a value. #}
{% test never_equal(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    where {{ columns | join(' = ') }}
{% endtest %}
