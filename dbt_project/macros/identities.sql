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
