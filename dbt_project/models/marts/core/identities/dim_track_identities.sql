{{
    config(
        unique_key='track_key',
        indexes=[{'columns': ['track_key'], 'unique': true}],
        meta={'notes_days': true},
    )
}}

with recursive named as (

    select
        tracks.track_key,
        tracks.artist_key as stated_artist_key,
        coalesce(identities.canonical_artist_key, tracks.artist_key) as artist_key,
        tracks.isrc,
        {{ kind_of_id('tracks.natural_key') }} as kind_of_id,
        nullif({{ without_guests(compared_name('tracks.title')) }}, '') as title,
        nullif({{ without_guests(compared_name('artists.artist_name')) }}, '') as artist_name
    from {{ ref('stg_tracks') }} as tracks
    left join {{ ref('stg_artists') }} as artists on tracks.artist_key = artists.artist_key
    left join {{ ref('dim_artist_identities') }} as identities on tracks.artist_key = identities.artist_key

),

by_names as (

    -- What has no title or artist stands for itself.
    select
        track_key,
        kind_of_id,
        isrc,
        {{ without_edition('title') }} as recording_title,
        {{ first_credit('artist_name') }} as first_artist_name,
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

of_names as (

    select
        track_key,
        kind_of_id,
        isrc,
        label,
        first_of_names,
        recording_title,
        first_artist_name,
        min(track_key) over (partition by label) as label_key
    from by_names

),

of_one_code as (

    select
        label_key,
        min(label_key) over (partition by isrc, recording_title, first_artist_name) as same_as_key
    from of_names
    where isrc is not null and recording_title is not null and first_artist_name is not null

),

-- Names whose tracks have one code are one name. Each leads to an earlier one, so this ends.
led as (

    select
        label_key,
        min(same_as_key) as same_as_key
    from of_one_code
    group by label_key
    having min(same_as_key) < label_key

),

followed as (

    select
        label_key,
        same_as_key
    from led
    union
    select
        followed.label_key,
        led.same_as_key
    from followed
    inner join led on followed.same_as_key = led.label_key

),

first_names as (

    select
        label_key,
        min(same_as_key) as same_as_key
    from followed
    group by label_key

),

labelled as (

    select
        of_names.track_key,
        of_names.kind_of_id,
        of_names.first_of_names,
        coalesce(same.label, of_names.label) as label
    from of_names
    left join first_names on of_names.label_key = first_names.label_key
    left join of_names as same on first_names.same_as_key = same.track_key

),

{{ corrected_labels('track') }},

coded as (

    select
        corrected.track_key,
        corrected.kind_of_id,
        corrected.is_corrected,
        corrected.label,
        case when not corrected.is_corrected then named.isrc end as isrc,
        row_number() over (
            partition by corrected.label, named.isrc, corrected.kind_of_id, corrected.is_corrected
            order by corrected.track_key
        ) as place
    from corrected
    inner join named on corrected.track_key = named.track_key

),

recordings as (

    -- Tracks of one name and code are one recording, whatever ids a source gives them; MusicBrainz knows better.
    select
        track_key,
        kind_of_id,
        is_corrected,
        label,
        case
            when isrc is null or (kind_of_id = 'mbid' and place > 1) then track_key
            else coalesce(
                min(track_key) filter (where kind_of_id <> 'name') over (partition by label, isrc),
                min(track_key) over (partition by label, isrc)
            )
        end as recording_key
    from coded

),

firsts as (

    select
        track_key,
        kind_of_id,
        is_corrected,
        label,
        recording_key,
        min(track_key) over (partition by label, recording_key, kind_of_id) as first_of_kind
    from recordings

),

placed as (

    select
        track_key,
        label,
        recording_key,
        is_corrected
        or kind_of_id = 'name'
        or dense_rank() over (partition by label, kind_of_id, is_corrected order by first_of_kind) = 1 as is_first
    from firsts

),

meant as (

    select
        track_key,
        label,
        recording_key,
        bool_and(is_first) over (partition by label, recording_key) as is_first
    from placed

),

identified as (

    select
        track_key,
        -- Who gives two tracks of one name ids of their own means two tracks; the first is the one that others name.
        case
            when is_first then min(track_key) filter (where is_first) over (partition by label)
            else min(track_key) over (partition by label, recording_key)
        end as canonical_track_key
    from meant

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
