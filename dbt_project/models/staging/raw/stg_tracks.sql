with source as (

    select * from {{ source('raw', 'tracks') }}

),

renamed as (

    select
        -- ids
        track_key,
        track_id,
        artist_key,
        recording_mbid,
        isrc,
        natural_key,

        -- text
        title,

        -- numerics
        duration_ms
    from source

)

select * from renamed
