{# A stretch of days with so many before and after it, of whole weeks (from Monday on) or months first. #}
{% macro widened(stretch, before=0, after=0, period=none) -%}
    {%- set date, timedelta = modules.datetime.date, modules.datetime.timedelta -%}
    {%- set days = namespace(first=date.fromisoformat(stretch[0]), last=date.fromisoformat(stretch[1])) -%}
    {%- if period == 'week' -%}
        {%- set days.first = days.first - timedelta(days=days.first.weekday()) -%}
        {%- set days.last = days.last + timedelta(days=6 - days.last.weekday()) -%}
    {%- elif period == 'month' -%}
        {%- set days.first = days.first.replace(day=1) -%}
        {%- set days.last = (days.last.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1) -%}
    {%- endif -%}
    {{ return([days.first - timedelta(days=before), days.last + timedelta(days=after)]) }}
{%- endmacro %}

{#
  Condition: a date, or an instant where its name ends in _at, lies in the days for which the model is rebuilt, widened as
  above; of instants, or within `margin` of them. Literals, so that the planner sees constants.
#}
{% macro in_days(column, before=0, after=0, period=none, margin=none, stretches=none) -%}
    {%- set conditions = [] -%}
    {%- for stretch in (changed_days() if stretches is none else stretches) -%}
        {%- set first, last = widened(stretch, before, after, period) -%}
        {%- if column.endswith('_at') -%}
            {%- set end = last + modules.datetime.timedelta(days=1) -%}
            {%- set less, more = (" - interval '" ~ margin ~ "'", " + interval '" ~ margin ~ "'") if margin else ('', '') -%}
            {%- do conditions.append(
                column ~ " >= timestamptz '" ~ first ~ " 00:00:00+00'" ~ less
                ~ " and " ~ column ~ " < timestamptz '" ~ end ~ " 00:00:00+00'" ~ more
            ) -%}
        {%- else -%}
            {%- do conditions.append(column ~ " between date '" ~ first ~ "' and date '" ~ last ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return('(' ~ (conditions | join(' or ') or 'false') ~ ')') }}
{%- endmacro %}

{#
  Of the `rebuild` setting of a model: the `columns` that tell whether a row belongs to a changed day, the first of them the day
  of the row, and how the days are `widened`.
#}
{% macro rebuild_setting(setting) -%}
    {%- set setting = setting or {} -%}
    {{ return({
        'columns': setting.get('columns', ['listened_on']),
        'widened': {
            'before': setting.get('before', 0) | int, 'after': setting.get('after', 0) | int, 'period': setting.get('period')
        },
    }) }}
{%- endmacro %}

{# Expression: the UTC date of a column that is a date, or an instant by its name. #}
{% macro day_of(column) -%}
    {{ return(utc_date(column) if column.endswith('_at') else column) }}
{%- endmacro %}

{# Literal: the days of the model's rows that stretches of changed days stand for, as a datemultirange. #}
{% macro multirange(stretches) -%}
    {%- set ranges = [] -%}
    {%- for stretch in stretches -%}
        {%- set first, last = widened(stretch, **rebuild_setting(config.get('rebuild'))['widened']) -%}
        {%- do ranges.append('[' ~ first ~ ',' ~ last ~ ']') -%}
    {%- endfor -%}
    {{ return('{' ~ ranges | join(',') ~ '}') }}
{%- endmacro %}
