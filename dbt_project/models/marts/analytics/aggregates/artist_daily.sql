{{
    config(
        unique_key=['listened_on', 'artist_key'],
        indexes=[{'columns': ['listened_on', 'artist_key'], 'unique': true}, {'columns': ['artist_key']}],
    )
}}

{{ daily_listening(ref('fct_listens'), ref('fct_uncounted_listens'), ref('fct_first_listens'), 'artist_key') }}
