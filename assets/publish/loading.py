"""Writes the keys of a release."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, cast

from redis import Redis

from assets.publish.content import ReleaseInput
from assets.publish.plan import Plan
from serving_api import contract
from serving_api.contract import NO_DETAILS

# One command of some 1 MB: large enough to be fast, small enough not to hold up readers.
ENTRIES_PER_COMMAND = 1000

_IDS = {
    "track": (contract.track_ids_key, contract.track_field),
    "artist": (contract.artist_ids_key, contract.artist_field),
}
_SIMILAR_KEYS = {"track": contract.similar_tracks_key, "artist": contract.similar_artists_key}


def load(client: Redis, release: ReleaseInput, plan: Plan, name: str, beat: Callable[[], object]) -> None:
    """Write every key of the release under a name that nothing reads yet. `beat` is called after every batch."""
    for tracks in release.tracks():
        fields = [contract.track_field(track.track_key) for track in tracks]
        records = map(contract.pack_track, tracks)
        _write(client, contract.tracks_key(name), zip(fields, records, strict=True))
        details = (contract.pack_details(track.details) if track.details != NO_DETAILS else None for track in tracks)
        known = ((field, packed) for field, packed in zip(fields, details, strict=True) if packed is not None)
        _write(client, contract.track_details_key(name), known)
        public_ids = (track.track_id.encode() for track in tracks)
        _write(client, contract.track_ids_key(name), zip(public_ids, fields, strict=True))
        beat()
    for artists in release.artists():
        fields = [contract.artist_field(artist.artist_key) for artist in artists]
        _write(client, contract.artists_key(name), zip(fields, map(contract.pack_artist, artists), strict=True))
        public_ids = (artist.artist_id.encode() for artist in artists)
        _write(client, contract.artist_ids_key(name), zip(public_ids, fields, strict=True))
        beat()
    for item, (key, field_of) in _IDS.items():
        for other_ids in release.other_ids(item):
            _write(client, key(name), ((public_id.encode(), field_of(of)) for public_id, of in other_ids))
            beat()
    for item, key in _SIMILAR_KEYS.items():
        for similar in release.similar(item):
            fields = [contract.track_field(each) for each in similar.keys.tolist()]
            _write(client, key(name), zip(fields, similar.packed(), strict=True))
            beat()
    _write(client, contract.country_popular_key(name), plan.country_popular.items())
    for users in release.user_countries():
        countries = ((user_id.encode(), country.encode()) for user_id, country in users)
        _write(client, contract.user_countries_key(name), countries)
        beat()
    for slate in plan.meta.slates:
        for batch in release.batches(slate):
            user_ids = (user_id.encode() for user_id in batch.user_ids)
            _write(client, contract.slate_key(name, slate), zip(user_ids, batch.packed(), strict=True))
            beat()
    client.mset({contract.popular_key(name): plan.popular, contract.meta_key(name): contract.pack_meta(plan.meta)})


def _write(client: Redis, key: str, entries: Iterable[tuple[bytes, bytes]]) -> None:
    rest = iter(entries)
    while chunk := dict(islice(rest, ENTRIES_PER_COMMAND)):
        client.hset(key, mapping=cast(Any, chunk))
