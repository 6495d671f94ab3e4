select
    -- ids
    users.listener_key,

    -- text
    users.gender,
    users.country,
    unlikely.reason as unlikely_reason,

    -- numerics
    users.age,

    -- timestamps
    users.registered_on,
    users.first_listened_at,
    unlikely.unlikely_since
from {{ ref('dim_users') }} as users
left join {{ ref('dim_unlikely_listeners') }} as unlikely on users.user_key = unlikely.user_key
