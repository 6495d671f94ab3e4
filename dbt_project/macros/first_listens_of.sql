{#
  Common table expressions up to `firsts`: the earliest listen in a relation (listened_at, listened_on) of each `key`, with the
  columns `more`, as `at`. A rebuild gives those that are new or may be others than before.
#}
{% macro first_listens_of(listens, key, at, more=[]) -%}
{%- set columns = key + more -%}
{%- set same_key = [] -%}
{%- for column in key -%}{%- do same_key.append('built.' ~ column ~ ' = listens.' ~ column) -%}{%- endfor -%}
{%- set same_key = same_key | join(' and ') -%}
heard as (

    select
        {{ columns | join(', ') }},
        min(listened_at) as {{ at }}
    from {{ listens }}
    {% if is_incremental() %}
    where {{ in_days('listened_on') }}
    {% endif %}
    group by {{ columns | join(', ') }}

),

{% if is_incremental() %}
-- Those whose first listen has gone from one of these days: all others of theirs that stand are later.
lost as (

    select built.*
    from {{ this }} as built
    where
        {{ in_days('built.' ~ at) }}
        and not exists (
            select 1 from heard as listens
            where {{ same_key }} and listens.{{ at }} <= built.{{ at }}
        )

),

heard_later as (

    select
        listens.{{ columns | join(', listens.') }},
        min(listens.listened_at) as {{ at }}
    from lost as built
    inner join {{ listens }} as listens on {{ same_key }} and built.{{ at }} < listens.listened_at
    where not {{ in_days('listens.listened_on') }}
    group by listens.{{ columns | join(', listens.') }}

),

found as (

    select * from heard
    union all
    select * from heard_later

),

{% endif %}
firsts as (

    select
        {{ columns | join(', ') }},
        min({{ at }}) as {{ at }}
    from {{ 'found' if is_incremental() else 'heard' }} as listens
    {% if is_incremental() %}
    where
        not exists (
            select 1
            from {{ this }} as built
            where
                {{ same_key }}
                and built.{{ at }} < listens.{{ at }}
                and not {{ in_days('built.' ~ at) }}
        )
    {% endif %}
    group by {{ columns | join(', ') }}

)
{%- endmacro %}
