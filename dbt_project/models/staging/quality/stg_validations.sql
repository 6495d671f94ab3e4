with source as (

    select * from {{ source('quality', 'validations') }}

),

renamed as (

    select
        -- ids
        validation_id,
        run_id,

        -- text
        asset,
        check_name,
        page,

        -- booleans
        blocks as is_blocking,
        passed as is_passed,

        -- timestamps
        as_of,
        validated_at
    from source

)

select * from renamed
