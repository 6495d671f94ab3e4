with source as (

    select * from {{ source('raw', 'blocks') }}

),

renamed as (

    select
        -- ids
        user_key,
        item_key,

        -- text
        item_kind,

        -- timestamps
        created_at
    from source

)

select * from renamed
