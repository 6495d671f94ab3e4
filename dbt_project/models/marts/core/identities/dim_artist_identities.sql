{{ config(unique_key='artist_key', indexes=[{'columns': ['artist_key'], 'unique': true}]) }}

with named as (

    select
        artist_key,
        {{ kind_of_id('natural_key') }} as kind_of_id,
        {{ without_guests(compared_name('artist_name')) }} as compared_name
    from {{ ref('stg_artists') }}

),

labelled as (

    -- What has no name stands for itself.
    select
        artist_key,
        kind_of_id,
        coalesce('name ' || nullif(compared_name, ''), 'key ' || cast(artist_key as text)) as label
    from named

),

{{ corrected_labels('artist') }},

placed as (

    select
        artist_key,
        kind_of_id,
        is_corrected,
        min(artist_key) over (partition by label) as first_artist_key,
        row_number() over (partition by label, kind_of_id, is_corrected order by artist_key) as place
    from corrected

)

select
    -- ids
    artist_key,
    first_artist_key as canonical_artist_key
from placed
where
    artist_key <> first_artist_key
    -- Who gives two artists of one name ids of their own means two artists; the first is the one that others name.
    and (is_corrected or kind_of_id = 'name' or place = 1)
