with source as (

    select * from {{ source('quality', 'observations') }}

),

renamed as (

    select
        -- ids
        validation_id,

        -- text
        metric,
        segment,
        expectation,
        severity,

        -- numerics
        value,
        low,
        high,

        -- booleans
        passed as is_passed,

        -- timestamps
        learned_from,
        learned_to
    from source

)

select * from renamed
