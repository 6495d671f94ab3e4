select
    -- ids
    users.user_key,
    users.user_id,
    users.listener_key,

    -- text
    users.gender,
    users.country,

    -- numerics
    users.age,

    -- timestamps
    users.registered_on,
    firsts.first_listened_at
from {{ ref('stg_users') }} as users
left join {{ ref('int_user_first_listens') }} as firsts on users.user_key = firsts.user_key
