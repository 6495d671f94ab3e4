with source as (

    select * from {{ source('raw', 'listens') }}

),

renamed as (

    select
        -- ids
        user_key,
        track_key,
        file_id,

        -- text
        source,

        -- numerics
        ms_played,

        -- booleans
        skipped as is_skipped,

        -- timestamps
        listened_at,
        ingested_at
    from source

)

select * from renamed
