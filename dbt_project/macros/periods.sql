{#
  Which days, weeks and months the data cover whole. Days are of `daily`, the listening by day unless another is named. A
  day is over when a later one has listens. What was before the first day is not known.
#}

{% macro is_over(day_after, daily=none) -%}
    ({{ day_after }} <= (select max(known.listened_on) from {{ daily or ref('listening_daily') }} as known))
{%- endmacro %}

{# A week or month that begins on `first_day`: the data begin then or before, and it is over. #}
{% macro is_complete(period, first_day) -%}
    (
        {{ first_day }} >= (select min(known.listened_on) from {{ ref('listening_daily') }} as known)
        and {{ is_over(next_start_of(period, first_day)) }}
    )
{%- endmacro %}

{#
  After a model is built: what is finished meanwhile, and what no longer is. The build itself touches only what changed.
  `marks` is {column: what it should be}.
#}
{% macro mark_finished(marks) -%}
    update {{ this }}
    set
        {%- for column, mark in marks.items() %}
        {{ column }} = {{ mark }}{% if not loop.last %},{% endif %}
        {%- endfor %}
    where
        {%- for column, mark in marks.items() %}
        {% if not loop.first %}or {% endif %}{{ column }} <> {{ mark }}
        {%- endfor %}
{%- endmacro %}

{# A day so soon after the first of all that most of what looks new may only have been heard before the data begin. #}
{% macro is_left_censored(day, daily=none) -%}
    (
        {{ day }} < {{ add_days(
            "(select min(known.listened_on) from " ~ (daily or ref('listening_daily')) ~ " as known)",
            var('left_censored_days')
        ) }}
    )
{%- endmacro %}
