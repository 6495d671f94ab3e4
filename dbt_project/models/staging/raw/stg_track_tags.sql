with source as (

    select * from {{ source('raw', 'track_tags') }}

),

renamed as (

    select
        -- ids
        track_key,
        file_id,

        -- text
        tag,

        -- numerics
        weight,
        users
    from source

)

select * from renamed
