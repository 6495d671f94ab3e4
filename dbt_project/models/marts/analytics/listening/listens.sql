-- No session_key: it holds the user_key. A session is (listener_key, session_started_at).
-- Left joins on unique keys: the planner leaves out those whose columns a query does not use.
select
    -- ids
    users.listener_key,
    listens.track_key,
    listens.artist_key,

    -- text
    listens.source,

    -- numerics
    listens.ms_played,

    -- booleans
    listens.is_skipped,
    coalesce(listens.listened_at = firsts.listened_at, false) as is_first_listen,
    listens.is_first_in_session,

    -- timestamps
    listens.session_started_at,
    listens.listened_at,
    listens.listened_on
from {{ ref('fct_listens') }} as listens
left join {{ ref('stg_users') }} as users on listens.user_key = users.user_key
left join {{ ref('fct_first_listens') }} as firsts
    on
        listens.user_key = firsts.user_key
        and listens.track_key = firsts.track_key
