with source as (

    select * from {{ source('raw', 'track_artists') }}

),

renamed as (

    select
        -- ids
        track_key,
        artist_key,
        file_id,

        -- text
        join_phrase,

        -- numerics
        position
    from source

),

firsts as (

    select
        track_key,
        min(file_id) as file_id
    from renamed
    group by track_key

)

select
    renamed.track_key,
    renamed.artist_key,
    renamed.join_phrase,
    renamed.position
from renamed
-- The first load that says something of a track says it for good.
inner join firsts on renamed.track_key = firsts.track_key and renamed.file_id = firsts.file_id
