with source as (

    select * from {{ source('raw', 'artist_tags') }}

),

renamed as (

    select
        -- ids
        artist_key,
        file_id,

        -- text
        tag,

        -- numerics
        weight,
        users
    from source

)

select * from renamed
