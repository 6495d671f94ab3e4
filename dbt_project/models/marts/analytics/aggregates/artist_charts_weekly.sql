{{
    config(
        indexes=[{'columns': ['week', 'rank'], 'unique': true}],
        replay_where="week >= " ~ start_of('week', '__replay_date__'),
    )
}}

{{ weekly_chart(ref('artist_daily'), 'artist_key') }}
