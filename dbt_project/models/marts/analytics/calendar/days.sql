with bounds as (

    select
        min(listened_on) as first_day,
        max(listened_on) as last_day
    from {{ ref('listening_daily') }}

),

days as (

    select {{ each_day('first_day', 'last_day') }} as day
    from bounds

)

select
    -- timestamps
    day,
    {{ start_of('week', 'day') }} as week,
    {{ start_of('month', 'day') }} as month
from days
