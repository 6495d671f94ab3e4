{{
    config(
        indexes=[{'columns': ['week', 'rank'], 'unique': true}],
        rebuild_where="week >= " ~ start_of('week', '__rebuild_date__'),
    )
}}

{{ weekly_chart(ref('track_daily'), 'track_key') }}
