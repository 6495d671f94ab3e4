{#
  Strategy: replace the rows that are not as the query says, by `unique_key`, and leave the others. Where the model's `meta`
  has `notes_days`, the days of the tracks in question are noted first, for models built by day to rebuild.
#}
{% macro get_incremental_changed_rows_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set source = arg_dict['temp_relation'] -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set gone = "(select " ~ columns ~ " from " ~ target ~ " except select " ~ columns ~ " from " ~ source ~ ")" -%}
    {%- set new = "(select " ~ columns ~ " from " ~ source ~ " except select " ~ columns ~ " from " ~ target ~ ")" -%}
    {%- if config.get('meta', {}).get('notes_days') %}
    {#- By the owner's rights: nobody else may write the ledger. -#}
    select raw.note_days_of_tracks(array(
        select {{ key }} from {{ gone }} as gone union select {{ key }} from {{ new }} as new
    ));
    {#- Models built by day come after this one, so all of them still see the same days. -#}
    {{ note_changed_days() }}
    on conflict (invocation_id, listened_on) do update set version = excluded.version;
    {%- endif %}
    delete from {{ target }} where {{ key }} in (select {{ key }} from {{ gone }} as gone);
    insert into {{ target }} ({{ columns }}) select {{ columns }} from {{ new }} as new
{%- endmacro %}

{#
  Common table expressions up to `corrected`: `labelled` (key, kind_of_id, label) as people have corrected it.
  Whoever is said to be another has that one's label, and so has whoever shared theirs: it is the name that is corrected.
  Whoever is said to be themselves has a label of their own.
#}
{% macro corrected_labels(kind) -%}
    {%- set key = kind ~ '_key' -%}
    {%- set items = ref('stg_' ~ kind ~ 's') -%}
said as (

    select
        items.{{ key }},
        same.{{ key }} as same_as_key
    from {{ ref('stg_same_items') }} as corrections
    inner join {{ items }} as items on corrections.item_id = items.{{ kind }}_id
    inner join {{ items }} as same on corrections.same_as_id = same.{{ kind }}_id
    where corrections.item_kind = '{{ kind }}'

),

renamed as (

    select
        items.label,
        min(same.label) as same_as_label
    from said
    inner join labelled as items on said.{{ key }} = items.{{ key }}
    inner join labelled as same on said.same_as_key = same.{{ key }}
    where said.{{ key }} <> said.same_as_key
    group by items.label

),

corrected as (

    select
        labelled.{{ key }},
        labelled.kind_of_id,
        case
            when said.{{ key }} = said.same_as_key then 'key ' || cast(labelled.{{ key }} as text)
            else coalesce(renamed.same_as_label, labelled.label)
        end as label,
        coalesce(said.{{ key }} <> said.same_as_key, false) as is_corrected
    from labelled
    left join said on labelled.{{ key }} = said.{{ key }}
    left join renamed on labelled.label = renamed.label

)
{%- endmacro %}
