select
    -- ids
    tracks.track_key,
    coalesce(identities.canonical_track_key, tracks.track_key) as canonical_track_key,
    tracks.track_id,
    artists.artist_key,
    artists.artist_id,
    tracks.recording_mbid,

    -- text
    tracks.title,
    artists.artist_name,

    -- timestamps
    firsts.first_listened_at
from {{ ref('stg_tracks') }} as tracks
left join {{ ref('dim_track_identities') }} as identities on tracks.track_key = identities.track_key
left join {{ ref('stg_artists') }} as artists
    on coalesce(identities.artist_key, tracks.artist_key) = artists.artist_key
left join {{ ref('int_track_first_listens') }} as firsts on tracks.track_key = firsts.track_key
