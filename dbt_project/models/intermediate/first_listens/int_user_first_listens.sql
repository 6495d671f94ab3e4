{{
    config(
        unique_key='user_key',
        indexes=[{'columns': ['user_key'], 'unique': true}, {'columns': ['first_listened_at']}],
        rebuild={'columns': ['first_listened_at']},
    )
}}

with {{ first_listens_of(ref('fct_first_listens'), ['user_key'], 'first_listened_at') }}

select
    -- ids
    user_key,

    -- timestamps
    first_listened_at
from firsts
