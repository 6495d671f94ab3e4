"""A release with names that people can read: lists as in the sample release, of tracks of the made-up catalogue."""

from dataclasses import replace

import numpy as np
from sample_release import sample_release, sample_scores, sample_track
from search_catalogue import names

from assets.lookup.index import Name, built_index
from assets.publish.content import ReleaseInput, SimilarBatch
from serving_api.contract import NO_DETAILS, Artist, SearchKind, Track, search_entries


def listed_release(marker: str = "first") -> ReleaseInput:
    """Lists of 50 users that the marker decides, over a catalogue that is the same whatever the marker."""
    held = names(private={})
    artists = [each for each in held if each.kind is SearchKind.ARTIST]
    tracks = [_track(each, artists) for each in held if each.kind is SearchKind.TRACK]
    with built_index(held) as (description, archive):
        entries = list(search_entries(description, archive))
    return replace(
        sample_release(marker, tracks=len(tracks)),
        tracks=lambda: iter([tracks]),
        artists=lambda: iter([[Artist(each.key, f"a-{each.key}", each.name, None) for each in artists]]),
        artist_tracks=lambda: iter([_artist_tracks(tracks, len(artists))]),
        search=lambda: iter(entries),
    )


def _track(name: Name, artists: list[Name]) -> Track:
    """Every fifth track has no details."""
    (artist,) = (each for each in artists if each.name == name.artist)
    details = sample_track("first", name.key).details
    if details != NO_DETAILS:
        details = details._replace(album=f"Best of {artist.name}")
    return Track(name.key, f"t-{name.key}", name.name, artist.name, f"a-{artist.key}", None, details)


def _artist_tracks(tracks: list[Track], artists: int) -> SimilarBatch:
    listed = [[each.track_key for each in tracks if each.artist_id == f"a-{artist}"] for artist in range(artists)]
    return SimilarBatch(
        keys=np.arange(artists, dtype=np.int32),
        offsets=np.cumsum([0, *map(len, listed)]),
        similar_keys=np.array([key for each in listed for key in each], np.int32),
        scores=np.concatenate([sample_scores(len(each)) for each in listed]),
    )
