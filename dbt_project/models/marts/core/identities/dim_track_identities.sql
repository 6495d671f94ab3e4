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
        {{ kind_of_id('tracks.natural_key') }} as kind_of_id,
        nullif({{ without_guests(compared_name('tracks.title')) }}, '') as title,
        nullif({{ without_guests(compared_name('artists.artist_name')) }}, '') as artist_name
    from {{ ref('stg_tracks') }} as tracks
    left join {{ ref('stg_artists') }} as artists on tracks.artist_key = artists.artist_key
    left join {{ ref('dim_artist_identities') }} as identities on tracks.artist_key = identities.artist_key

),

labelled as (

    -- What has no title or artist stands for itself.
    select
        track_key,
        kind_of_id,
        case
            when artist_name is not null and title is not null
                then 'name ' || cast(artist_key as text) || ' ' || title
            else 'key ' || cast(track_key as text)
        end as label,
        min(track_key) over (
            partition by
                artist_name, title, case when artist_name is null or title is null then track_key end
        ) as first_of_names
    from named

),

{{ corrected_labels('track') }},

placed as (

    select
        track_key,
        kind_of_id,
        is_corrected,
        min(track_key) over (partition by label) as first_track_key,
        row_number() over (partition by label, kind_of_id, is_corrected order by track_key) as place
    from corrected

),

identified as (

    select
        track_key,
        -- Who gives two tracks of one name ids of their own means two tracks; the first is the one that others name.
        case
            when is_corrected or kind_of_id = 'name' or place = 1 then first_track_key else track_key
        end as canonical_track_key
    from placed

)

select
    -- ids
    identified.track_key,
    identified.canonical_track_key,
    songs.first_of_names as song_key,
    canonical.artist_key
from identified
inner join named on identified.track_key = named.track_key
inner join named as canonical on identified.canonical_track_key = canonical.track_key
inner join labelled as songs on identified.canonical_track_key = songs.track_key
where
    identified.track_key <> identified.canonical_track_key
    or identified.track_key <> songs.first_of_names
    or named.stated_artist_key <> canonical.artist_key
