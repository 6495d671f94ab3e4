{# What `audotics env` and Dagster say of the project's code (assets/dbt_project.py); empty where neither did. #}
{% macro known_code() -%}
    {{ return(fromjson(env_var('AUDOTICS_DBT_CODE', '{}'))) }}
{%- endmacro %}

{# Digest of the project as dbt has read it, to be compared with that of the project whose code is known. #}
{% macro project_digest() -%}
    {%- set parts = [] -%}
    {%- for id, node in graph.nodes.items() | sort if node.resource_type in ('model', 'snapshot', 'seed') -%}
        {%- set settings = [node.config.materialized, node.config.incremental_strategy, node.config.unique_key] -%}
        {%- do parts.append(id ~ ' ' ~ node.checksum.checksum ~ ' ' ~ settings | join(' ')) -%}
    {%- endfor -%}
    {%- for name, macro in context[project_name].items() | sort -%}
        {%- do parts.append(macro.macro.macro_sql) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | join('\n'))) }}
{%- endmacro %}

{#
  Refuse to build with code that is not known: what it wrote would be taken for what other code writes, and days that
  other code wrote for its own.
#}
{% macro require_known_code() -%}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
        {%- set known = known_code() -%}
        {%- set changed = [] -%}
        {%- for name, value in known.get('variables', {}).items() if var(name) != value -%}
            {%- do changed.append(name) -%}
        {%- endfor -%}
        {%- if changed or known.get('project') != project_digest() -%}
            {{ exceptions.raise_compiler_error(
                'the project, or a variable of it, is not the one that the environment tells of;'
                ~ ' eval "$(audotics env)", then run this again'
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
