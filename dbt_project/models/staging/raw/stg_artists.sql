with source as (

    select * from {{ source('raw', 'artists') }}

),

renamed as (

    select
        -- ids
        artist_key,
        artist_id,
        artist_mbid,
        natural_key,

        -- text
        name as artist_name
    from source

)

select * from renamed
