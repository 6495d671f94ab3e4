with users as (

    select * from {{ ref('stg_users') }}

),

activity as (

    select
        user_key,
        count(*) as listens,
        min(listened_at) as first_listened_at,
        max(listened_at) as last_listened_at
    from {{ ref('fct_listens') }}
    group by user_key

)

select
    -- ids
    users.user_key,
    users.user_id,

    -- text
    users.gender,
    users.country,

    -- numerics
    users.age,
    coalesce(activity.listens, 0) as listens,

    -- timestamps
    users.registered_on,
    activity.first_listened_at,
    activity.last_listened_at
from users
left join activity on users.user_key = activity.user_key
