"""Reads what seeds are similar to, and makes a list of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from redis.asyncio import Redis

from serving_api import contract
from serving_api.answers import Release
from serving_api.contract import Artist, ContractError, RankedList, Track
from serving_api.errors import UnreadableReleaseError
from serving_api.pages import Item, Page, Window, page
from serving_api.ranked import NO_LIST, at, shown_items
from serving_api.reading import is_shown, reads
from serving_api.records import require
from serving_api.seeds import Support, of_artist, of_similar_tracks, ranked, spread

SEED_REASON_TYPE = "because_you_chose"


@dataclass(frozen=True)
class SeedsAsked:
    """What somebody chose, by public ids, and how much of the list is asked for."""

    artist_ids: Sequence[str]
    track_ids: Sequence[str]
    window: Window


@dataclass(frozen=True)
class SeedList:
    """The list that follows from seeds; empty where the release has nothing similar to them."""

    release: Release
    page: Page
    unknown_ids: list[str]
    """Of the seeds those that the release does not know."""
    empty: bool
    """Whether nothing follows from the seeds, so that every page is empty."""


async def seed_list(redis: Redis, release: Release, asked: SeedsAsked) -> SeedList | None:
    """The answer of a release; None when it is not live any more. Raises UnreadableReleaseError."""
    found = await _seed_keys(redis, release, asked)
    if found is None:
        return None
    artists, tracks, unknown, left_out = found
    names = await require(redis, release.name, release.artists, artists, "the artists that were chosen")
    chosen = await require(redis, release.name, release.tracks, tracks, "the tracks that were chosen")
    supports = await _supports(redis, release, artists, tracks)
    if names is None or chosen is None or supports is None:
        return None
    listed, seed_of = ranked(supports, left_out | set(tracks))
    known = await require(redis, release.name, release.tracks, listed.track_keys.tolist(), "what seeds lead to")
    if known is None:
        return None
    order = spread(listed, known)
    reasons = [_reason(names[key].record) for key in artists] + [_reason(chosen[key].record) for key in tracks]

    def shown(places: Sequence[int]) -> list[Item]:
        part = order[list(places)]
        items = shown_items(at(listed, part.tolist()), known)
        return [
            Item(item.public_id, b'%b,"reason":%b' % (item.shown, reasons[seed]))
            for item, seed in zip(items, seed_of[part].tolist(), strict=True)
        ]

    return SeedList(release, page(range(len(order)), asked.window, shown), unknown, empty=not len(order))


async def _seed_keys(
    redis: Redis, release: Release, asked: SeedsAsked
) -> tuple[list[int], list[int], list[str], set[int]] | None:
    """The keys of artists and tracks, the ids that are not known, and the keys of tracks to leave out."""
    excluded = list(asked.window.exclude)
    track_ids = [*asked.track_ids, *excluded]
    async with reads(redis) as pipe:
        for key, ids in (
            (contract.artist_ids_key(release.name), asked.artist_ids),
            (contract.track_ids_key(release.name), track_ids),
        ):
            if ids:
                pipe.hmget(key, list(ids))
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        *replies, pointers = await pipe.execute()
    if not is_shown(pointers, release.name, pinned=False):
        return None
    fields = [field for reply in replies for field in reply]
    ids = [*asked.artist_ids, *track_ids]
    try:
        keys = [contract.track_key(field) if field is not None else None for field in fields]
    except ContractError as error:
        raise UnreadableReleaseError(f"the public ids of seeds: {error}") from error
    seeds = len(asked.artist_ids) + len(asked.track_ids)
    unknown = [each for each, key in zip(ids[:seeds], keys[:seeds], strict=True) if key is None]
    of_artists, of_tracks = keys[: len(asked.artist_ids)], keys[len(asked.artist_ids) : seeds]
    left_out = {key for key in keys[seeds:] if key is not None}
    return _distinct(of_artists), _distinct(of_tracks), unknown, left_out


def _distinct(keys: Sequence[int | None]) -> list[int]:
    return list(dict.fromkeys(key for key in keys if key is not None))


async def _supports(
    redis: Redis, release: Release, artists: Sequence[int], tracks: Sequence[int]
) -> list[Support] | None:
    """What the seeds say for which tracks; None when the release is not live any more."""
    name = release.name
    similar_artists = await _lists(redis, release, contract.similar_artists_key(name), artists)
    similar_tracks = await _lists(redis, release, contract.similar_tracks_key(name), tracks)
    if similar_artists is None or similar_tracks is None:
        return None
    named = {key for listed in similar_artists.values() for key in listed.track_keys.tolist()}
    tracks_of = await _lists(redis, release, contract.artist_tracks_key(name), [*artists, *(named - set(artists))])
    if tracks_of is None:
        return None
    supports: list[Support] = []
    for seed, key in enumerate(artists):
        own, similar = tracks_of.get(key, NO_LIST), similar_artists.get(key, NO_LIST)
        supports += of_artist(seed, own, similar, tracks_of)
    for seed, key in enumerate(tracks, len(artists)):
        if key in similar_tracks:
            supports.append(of_similar_tracks(seed, similar_tracks[key]))
    return supports


async def _lists(redis: Redis, release: Release, hash_key: str, keys: Sequence[int]) -> Mapping[int, RankedList] | None:
    """Of a hash the lists of these keys that have one; None when the release is not live any more."""
    if not keys:
        return {}
    async with reads(redis) as pipe:
        pipe.hmget(hash_key, [contract.track_field(key) for key in keys])
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        packed, pointers = await pipe.execute()
    if not is_shown(pointers, release.name, pinned=False):
        return None
    try:
        return {key: contract.unpack_list(each) for key, each in zip(keys, packed, strict=True) if each is not None}
    except ContractError as error:
        raise UnreadableReleaseError(f"{hash_key}: {error}") from error


def _reason(record: Artist | Track) -> bytes:
    named = (
        {"artist_id": record.artist_id, "name": record.name}
        if isinstance(record, Artist)
        else {"track_id": record.track_id, "title": record.title}
    )
    return orjson.dumps({"type": SEED_REASON_TYPE, **named})
