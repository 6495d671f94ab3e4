{{
    config(
        indexes=[
            {'columns': ['user_key', 'track_key'], 'unique': true},
            {'columns': ['listened_on']},
        ],
    )
}}

with firsts as (

    select
        user_key,
        track_key,
        artist_key,
        min(listened_at) as listened_at
    from {{ ref('fct_listens') }}
    {% if is_incremental() %}
    where listened_on >= {{ rebuild_date() }}
    {% endif %}
    group by user_key, track_key, artist_key

)

select
    -- ids
    firsts.user_key,
    firsts.track_key,
    firsts.artist_key,

    -- timestamps
    firsts.listened_at,
    {{ utc_date('firsts.listened_at') }} as listened_on
from firsts
{% if is_incremental() %}
where
    not exists (
        select 1
        from {{ this }} as earlier
        where
            earlier.user_key = firsts.user_key
            and earlier.track_key = firsts.track_key
            and earlier.listened_on < {{ rebuild_date() }}
    )
{% endif %}
