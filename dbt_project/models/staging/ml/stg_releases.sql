with source as (

    select * from {{ source('ml', 'releases') }}

),

renamed as (

    select
        -- ids
        release,
        as_of,

        -- text
        status,
        held,

        -- timestamps
        published_at,
        lists_made_at
    from source

)

select * from renamed
