select
    -- ids
    listener_key,

    -- text
    gender,
    country,

    -- numerics
    age,

    -- timestamps
    registered_on,
    first_listened_at
from {{ ref('dim_users') }}
