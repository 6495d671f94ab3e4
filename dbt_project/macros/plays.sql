{# Which play is which: docs/adr/0031-one-play-from-several-sources.md. #}

{# The place of a source among those that tell of the same play; sources that `source_priority` does not name share the last. #}
{% macro source_rank(source) -%}
    {%- set named = var('source_priority') -%}
    {%- if not named -%}{{ return('0') }}{%- endif -%}
    case {{ source }}
        {%- for name in named %} when '{{ name | replace("'", "''") }}' then {{ loop.index }}{% endfor %}
        else {{ named | length + 1 }}
    end
{%- endmacro %}

{# How far two sources may differ about the same play. #}
{% macro same_play_interval() -%}
    interval '{{ var('same_play_seconds') | int }} seconds'
{%- endmacro %}

{# How far apart two plays of a relation each are, from one's start or end to the other's; 0 where they overlap. #}
{% macro seconds_apart(one, other) -%}
    extract(epoch from greatest(
        {{ one }}.listened_at - {{ other }}.ends_at,
        {{ other }}.listened_at - {{ one }}.ends_at,
        interval '0'
    ))
{%- endmacro %}
