"""What the content of a release makes of it: its name, its sizes, the memory it needs."""

from collections.abc import Callable
from dataclasses import dataclass

from assets.publish.content import ReleaseInput
from assets.publish.packing import (
    Content,
    add_artist_tracks,
    add_other_ids,
    add_public_lists,
    add_records,
    add_search,
    add_similar,
    add_slate,
    add_tag_tracks,
    add_tracks,
    add_user_countries,
    artist_records,
)
from assets.publish.spool import Spool
from serving_api.contract import ReleaseMeta


@dataclass(frozen=True)
class ReleaseCounts:
    """How much of everything is in a release; in ml.releases, by the same names."""

    users: dict[str, int]
    """Users with a list, per slate."""
    tracks: int
    track_details: int
    """Tracks with details."""
    track_ids: int
    """Public ids that lead to a track: its own, and those of tracks that were found to be this one."""
    artists: int
    artist_ids: int
    """Public ids that lead to an artist, as those of tracks do."""
    artist_tracks: int
    """Artists with a list of their tracks."""
    tag_tracks: int
    """Tags with a list of the tracks that have them."""
    popular: int
    """Items of the popular list."""
    trending: int
    """Items of the list of what is trending."""
    similar_tracks: int
    """Tracks with a list of similar ones."""
    similar_artists: int
    countries: int
    """Countries with a popular list."""
    user_countries: int
    """Users whose country the release says."""
    search: int
    """Fields of the search index, 0 without one."""


@dataclass(frozen=True)
class Plan:
    """A release with its name and sizes, before anything is written."""

    meta: ReleaseMeta
    counts: ReleaseCounts
    lists: dict[Callable[[str], str], bytes]
    """The packed lists that have a key of their own, by the key."""
    estimated_bytes: int

    @property
    def release(self) -> str:
        """The release id."""
        return self.meta.release


def plan_release(release: ReleaseInput, spool: Spool | None = None) -> Plan:
    """Name a release by its content and check it, before Redis is touched; `spool` keeps its entries for loading.

    The id is `<as_of>-<first 8 hex digits of a SHA-256 over the content>`; generated_at is not content.
    Raises ReleaseError for an empty list, a track or artist key without a record, a user's country without a list, or a
    slate that nobody has.
    """
    content = Content(spool)
    catalogue, track_details = add_tracks(content, release)
    artists = add_records(content, "artist", artist_records(release))
    ids = {
        "track": len(catalogue) + add_other_ids(content, release, "track", catalogue),
        "artist": len(artists) + add_other_ids(content, release, "artist", artists),
    }
    similar = {
        "track": add_similar(content, release, "track", catalogue),
        "artist": add_similar(content, release, "artist", artists),
    }
    users = {slate: add_slate(content, release, slate, catalogue) for slate in release.model_versions}
    lists = add_public_lists(content, release, catalogue)
    counts = ReleaseCounts(
        users=users,
        tracks=len(catalogue),
        track_details=track_details,
        track_ids=ids["track"],
        artists=len(artists),
        artist_ids=ids["artist"],
        artist_tracks=add_artist_tracks(content, release, artists, catalogue),
        tag_tracks=add_tag_tracks(content, release, catalogue),
        popular=len(release.popular.track_keys),
        trending=len(release.trending.track_keys),
        similar_tracks=similar["track"],
        similar_artists=similar["artist"],
        countries=len(release.country_popular),
        user_countries=add_user_countries(content, release),
        search=add_search(content, release),
    )
    meta = ReleaseMeta(
        release=content.digest.release_name(release.as_of, release.model_versions, release.held),
        as_of=release.as_of,
        generated_at=release.generated_at,
        models=dict(release.model_versions),
        users=counts.users,
        tracks=counts.tracks,
        popular=counts.popular,
        held=dict(release.held),
    )
    return Plan(meta, counts, lists, int(content.estimated_bytes))
