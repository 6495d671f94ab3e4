{#
  What counts as a listen: docs/adr/0032-what-counts-as-a-listen.md. Expression: why a play does not count, null where it does.
  A play whose source says nothing of it counts; what a source says of the time played is believed unless it is named among
  those that are unsure of it.
#}
{% macro uncounted_reason(ms_played, is_skipped, source, duration_ms) -%}
    {%- set unsure = var('sources_with_unsure_ms_played') -%}
    {%- set known = ms_played -%}
    {%- if unsure -%}
        {%- set names = [] -%}
        {%- for name in unsure -%}{%- do names.append("'" ~ name | replace("'", "''") ~ "'") -%}{%- endfor -%}
        {%- set known = "case when " ~ source ~ " not in (" ~ names | join(', ') ~ ") then " ~ ms_played ~ " end" -%}
    {%- endif -%}
    case
        -- Of two values that are not known, the least is neither.
        when {{ known }} < least({{ var('least_ms_played') | int }}, {{ var('least_share_played') }} * nullif({{ duration_ms }}, 0))
            then 'too_short'
        when {{ is_skipped }} and {{ 'true' if not var('long_skips_count') else known ~ ' is null' }} then 'skipped'
    end
{%- endmacro %}

{# Sum of two counts where one or both may be unknown; null where both are. #}
{% macro sum_of_known(one, other) -%}
    case when coalesce({{ one }}, {{ other }}) is not null then coalesce({{ one }}, 0) + coalesce({{ other }}, 0) end
{%- endmacro %}
