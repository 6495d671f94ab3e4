with source as (

    select * from {{ source('corrections', 'same_items') }}

),

renamed as (

    select
        -- text
        item_kind,
        item_id,
        same_as_id,

        -- timestamps
        stated_at
    from source

)

select * from renamed
