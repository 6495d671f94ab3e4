{{
    config(
        indexes=[{'columns': ['user_key'], 'unique': true}, {'columns': ['first_listened_at']}],
        rebuild_where='first_listened_at >= __rebuild_instant__',
    )
}}

with firsts as (

    select
        user_key,
        min(listened_at) as first_listened_at
    from {{ ref('fct_first_listens') }}
    {% if is_incremental() %}
    where listened_on >= {{ rebuild_date() }}
    {% endif %}
    group by user_key

)

select
    -- ids
    firsts.user_key,

    -- timestamps
    firsts.first_listened_at
from firsts
{% if is_incremental() %}
where
    not exists (
        select 1
        from {{ this }} as earlier
        where
            earlier.user_key = firsts.user_key
            and earlier.first_listened_at < {{ rebuild_instant() }}
    )
{% endif %}
