{{
    config(
        unique_key='track_key',
        indexes=[{'columns': ['track_key'], 'unique': true}],
        meta={'notes_days': true},
    )
}}

with named as (

    select
        tracks.track_key,
        tracks.artist_key as stated_artist_key,
        coalesce(identities.canonical_artist_key, tracks.artist_key) as artist_key,
        {{ without_guests(compared_name('tracks.title')) }} as title,
        {{ without_guests(compared_name('artists.artist_name')) }} as artist_name,
        {{ kind_of_id('tracks.natural_key') }} as kind_of_id
    from {{ ref('stg_tracks') }} as tracks
    left join {{ ref('stg_artists') }} as artists on tracks.artist_key = artists.artist_key
    left join {{ ref('dim_artist_identities') }} as identities on tracks.artist_key = identities.artist_key

),

placed as (

    select
        *,
        min(track_key) over (partition by artist_key, title) as first_track_key,
        row_number() over (partition by artist_key, title, kind_of_id order by track_key) as place,
        min(track_key) over (partition by artist_name, title) as first_of_names
    from named
    where artist_name <> '' and title <> ''

),

canonical as (

    select
        track_key,
        -- Who gives two tracks of one name ids of their own means two tracks; the first is the one that others name.
        case when kind_of_id = 'name' or place = 1 then first_track_key else track_key end as canonical_track_key,
        first_of_names
    from placed

),

identified as (

    select
        named.track_key,
        named.stated_artist_key,
        coalesce(canonical.canonical_track_key, named.track_key) as canonical_track_key
    from named
    left join canonical on named.track_key = canonical.track_key

)

select
    -- ids
    identified.track_key,
    identified.canonical_track_key,
    coalesce(canonical.first_of_names, identified.canonical_track_key) as song_key,
    named.artist_key
from identified
inner join named on identified.canonical_track_key = named.track_key
left join canonical on identified.canonical_track_key = canonical.track_key
where
    identified.track_key <> identified.canonical_track_key
    or identified.track_key <> coalesce(canonical.first_of_names, identified.canonical_track_key)
    or identified.stated_artist_key <> named.artist_key
