with source as (

    select * from {{ source('ml', 'slate_verdicts') }}

),

renamed as (

    select
        -- ids
        as_of,
        slate,

        -- text
        array_to_string(refused_because, '; ') as refused_because,

        -- numerics
        cardinality(refused_because) as refusals,

        -- timestamps
        made_at,
        judged_at,
        accepted_at
    from source

)

select * from renamed
