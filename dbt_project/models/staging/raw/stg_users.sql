with source as (

    select * from {{ source('raw', 'users') }}

),

renamed as (

    select
        -- ids
        user_key,
        user_id,
        listener_key,

        -- text
        gender,
        country,

        -- numerics
        age,

        -- timestamps
        registered_on
    from source

)

select * from renamed
