{{
    config(
        unique_key=['user_key', 'listened_at', 'track_key'],
        indexes=[
            {'columns': ['user_key', 'listened_at', 'track_key'], 'unique': true},
            {'columns': ['listened_on']},
        ],
    )
}}

select
    -- ids
    user_key,
    track_key,
    artist_key,

    -- text
    source,
    uncounted_reason,

    -- numerics
    ms_played,

    -- booleans
    is_skipped,

    -- timestamps
    listened_at,
    {{ utc_date('listened_at') }} as listened_on
from {{ ref('int_plays') }}
where
    uncounted_reason is not null
    {% if is_incremental() %}
    and {{ in_days('listened_at') }}
    {% endif %}
order by listened_at
