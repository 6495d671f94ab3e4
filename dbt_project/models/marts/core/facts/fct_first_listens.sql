{{
    config(
        unique_key=['user_key', 'track_key'],
        indexes=[
            {'columns': ['user_key', 'track_key'], 'unique': true},
            {'columns': ['listened_on']},
        ],
    )
}}

with {{ first_listens_of(ref('fct_listens'), ['user_key', 'track_key'], 'listened_at', more=['artist_key']) }}

select
    -- ids
    user_key,
    track_key,
    artist_key,

    -- timestamps
    listened_at,
    {{ utc_date('listened_at') }} as listened_on
from firsts
