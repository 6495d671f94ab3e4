{{
    config(
        unique_key=['week', 'rank'],
        indexes=[{'columns': ['week', 'rank'], 'unique': true}],
        post_hook="{{ mark_finished({'is_complete': is_complete('week', 'week')}) }}",
        rebuild={'columns': ['week'], 'period': 'week', 'after': 7},
    )
}}

{{ weekly_chart(ref('artist_daily'), 'artist_key') }}
