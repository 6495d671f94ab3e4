{{ config(unique_key='artist_key', indexes=[{'columns': ['artist_key'], 'unique': true}]) }}

with named as (

    select
        artist_key,
        {{ without_guests(compared_name('artist_name')) }} as compared_name,
        {{ kind_of_id('natural_key') }} as kind_of_id
    from {{ ref('stg_artists') }}

),

placed as (

    select
        artist_key,
        kind_of_id,
        min(artist_key) over (partition by compared_name) as first_artist_key,
        row_number() over (partition by compared_name, kind_of_id order by artist_key) as place
    from named
    where compared_name <> ''

)

select
    -- ids
    artist_key,
    first_artist_key as canonical_artist_key
from placed
where
    artist_key <> first_artist_key
    -- Who gives two artists of one name ids of their own means two artists; the first is the one that others name.
    and (kind_of_id = 'name' or place = 1)
