with source as (

    select * from {{ source('ml', 'similar_artists') }}

),

renamed as (

    select
        -- ids
        as_of,
        artist_key,
        similar_artist_key,

        -- numerics
        rank,
        score
    from source

)

select * from renamed
