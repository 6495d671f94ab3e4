with source as (

    select * from {{ source('ml', 'recommendations') }}

),

renamed as (

    select
        -- ids
        as_of,
        slate,
        user_key,
        track_key,
        anchor_track_key,
        model_version,

        -- text
        source,
        contributions,

        -- numerics
        rank,
        score
    from source

)

select * from renamed
