{{
    config(
        unique_key=['listened_on', 'track_key'],
        indexes=[{'columns': ['listened_on', 'track_key'], 'unique': true}, {'columns': ['track_key']}],
    )
}}

{{ daily_listening(ref('fct_listens'), ref('fct_uncounted_listens'), ref('fct_first_listens'), 'track_key') }}
