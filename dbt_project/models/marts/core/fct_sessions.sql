with listens as (

    select * from {{ ref('fct_listens') }}

)

select
    -- ids
    session_key,
    user_key,

    -- numerics
    count(*) as listens,
    count(distinct track_key) as tracks,

    -- timestamps
    min(listened_at) as started_at,
    max(listened_at) as last_listened_at
from listens
group by session_key, user_key
