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
    dbt_valid_from as valid_from,
    dbt_valid_to as valid_to
from {{ ref('users_history') }}
