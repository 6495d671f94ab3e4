{{
    config(
        unique_key='track_key',
        indexes=[{'columns': ['track_key'], 'unique': true}, {'columns': ['first_listened_at']}],
        rebuild={'columns': ['first_listened_at']},
    )
}}

with {{ first_listens_of(ref('fct_first_listens'), ['track_key'], 'first_listened_at') }}

select
    -- ids
    track_key,

    -- timestamps
    first_listened_at
from firsts
