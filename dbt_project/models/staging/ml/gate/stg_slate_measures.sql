with source as (

    select * from {{ source('ml', 'slate_measures') }}

),

renamed as (

    select
        -- ids
        as_of,
        slate,

        -- text
        measure,
        segment,

        -- numerics
        value
    from source

)

select * from renamed
