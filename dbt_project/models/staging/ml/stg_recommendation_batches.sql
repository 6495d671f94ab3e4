with source as (

    select * from {{ source('ml', 'recommendation_batches') }}

),

renamed as (

    select
        -- ids
        as_of,
        slate,
        model_version,

        -- numerics
        users,
        rows as recommendations,

        -- timestamps
        made_at
    from source

)

select * from renamed
