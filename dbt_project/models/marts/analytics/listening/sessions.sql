select
    -- ids
    users.listener_key,

    -- numerics
    sessions.listens,
    sessions.tracks,

    -- timestamps
    sessions.started_at,
    sessions.started_on,
    sessions.last_listened_at,
    sessions.ended_at
from {{ ref('fct_sessions') }} as sessions
left join {{ ref('stg_users') }} as users on sessions.user_key = users.user_key
