with months as (

    select distinct month from {{ ref('days') }}

)

select
    -- booleans
    {{ is_complete('month', 'month') }} as is_complete,

    -- timestamps
    month
from months
