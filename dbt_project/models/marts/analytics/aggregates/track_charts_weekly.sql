{{
    config(
        indexes=[{'columns': ['week', 'rank'], 'unique': true}],
        post_hook="{{ mark_finished({'is_complete': is_complete('week', 'week')}) }}",
        rebuild_where="week >= " ~ start_of('week', '__rebuild_date__'),
    )
}}

{{ weekly_chart(ref('track_daily'), 'track_key') }}
