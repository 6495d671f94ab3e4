select
    -- ids
    lists.as_of,
    lists.slate,
    users.listener_key,
    lists.track_key,
    lists.model_version,
    lists.anchor_track_key,

    -- text
    lists.source,
    anchors.title as because_of_title,
    anchors.artist_name as because_of_artist,
    lists.contributions,

    -- numerics
    lists.rank,
    lists.score,

    -- timestamps
    (
        select min(listens.listened_at)
        from {{ ref('fct_listens') }} as listens
        where
            listens.user_key = lists.user_key
            and listens.track_key = lists.track_key
            and listens.listened_at >= {{ utc_midnight('lists.as_of') }}
            and listens.listened_at < {{ utc_midnight(add_days('lists.as_of', var('horizon_days'))) }}
    ) as first_played_at
from {{ ref('stg_recommendations') }} as lists
inner join {{ ref('stg_users') }} as users on lists.user_key = users.user_key
left join {{ ref('dim_tracks') }} as anchors on lists.anchor_track_key = anchors.track_key
