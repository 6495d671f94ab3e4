with source as (

    select * from {{ source('ml', 'similar_tracks') }}

),

renamed as (

    select
        -- ids
        as_of,
        track_key,
        similar_track_key,

        -- numerics
        rank,
        score
    from source

)

select * from renamed
