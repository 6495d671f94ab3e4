"""Reads what seeds are similar to, and makes a list of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice

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
from serving_api.seeds import TRACKS_OF_A_TAG, Support, of_artist, of_similar_tracks, of_tag, ranked, spread
from serving_api.tag_lists import chosen_tags, fields_of

SEED_REASON_TYPE = "because_you_chose"


@dataclass(frozen=True)
class SeedsAsked:
    """What somebody chose, artists and tracks by public ids, and how much of the list is asked for."""

    artist_ids: Sequence[str]
    track_ids: Sequence[str]
    tags: Sequence[str]
    window: Window


@dataclass(frozen=True)
class SeedList:
    """The list that follows from seeds; empty where the release has nothing similar to them."""

    release: Release
    page: Page
    unknown_ids: list[str]
    """Of the chosen artists and tracks those that the release does not know."""
    unknown_tags: list[str]
    known: bool
    """Whether the release knows any of the seeds."""
    empty: bool
    """Whether nothing follows from the seeds, so that every page is empty."""


@dataclass(frozen=True)
class _Seeds:
    """The seeds that a release knows, none twice: artists, tracks and tags are numbered in this order."""

    artists: Sequence[int]
    tracks: Sequence[int]
    tags: Mapping[str, RankedList]
    """The tracks of each, by the tag as the release has it."""
    unknown_ids: list[str]
    unknown_tags: list[str]
    left_out: Set[int]
    """The keys of tracks that are not to be in the list."""

    def __len__(self) -> int:
        return len(self.artists) + len(self.tracks) + len(self.tags)


async def seed_list(redis: Redis, release: Release, asked: SeedsAsked) -> SeedList | None:
    """The answer of a release; None when it is not live any more. Raises UnreadableReleaseError."""
    seeds = await _seeds(redis, release, asked)
    if seeds is None:
        return None
    names = await require(redis, release.name, release.artists, seeds.artists, "the artists that were chosen")
    chosen = await require(redis, release.name, release.tracks, seeds.tracks, "the tracks that were chosen")
    supports = await _supports(redis, release, seeds)
    if names is None or chosen is None or supports is None:
        return None
    listed, seed_of = ranked(supports, seeds.left_out)
    known = await require(redis, release.name, release.tracks, listed.track_keys.tolist(), "what seeds lead to")
    if known is None:
        return None
    order = spread(listed, known)
    reasons = [_reason(names[key].record) for key in seeds.artists]
    reasons += [_reason(chosen[key].record) for key in seeds.tracks]
    reasons += [_reason(tag) for tag in seeds.tags]

    def shown(places: Sequence[int]) -> list[Item]:
        part = order[list(places)]
        items = shown_items(at(listed, part.tolist()), known)
        return [
            Item(item.public_id, b'%b,"reason":%b' % (item.shown, reasons[seed]))
            for item, seed in zip(items, seed_of[part].tolist(), strict=True)
        ]

    return SeedList(
        release=release,
        page=page(range(len(order)), asked.window, shown),
        unknown_ids=seeds.unknown_ids,
        unknown_tags=seeds.unknown_tags,
        known=len(seeds) > 0,
        empty=not len(order),
    )


async def _seeds(redis: Redis, release: Release, asked: SeedsAsked) -> _Seeds | None:
    """What the release knows of what was chosen; None when it is not live any more."""
    track_ids = [*asked.track_ids, *asked.window.exclude]
    tag_fields = list(dict.fromkeys(field for tag in asked.tags for field in fields_of(tag)))
    async with reads(redis) as pipe:
        for key, fields in (
            (contract.artist_ids_key(release.name), asked.artist_ids),
            (contract.track_ids_key(release.name), track_ids),
            (contract.tag_tracks_key(release.name), tag_fields),
        ):
            if fields:
                pipe.hmget(key, list(fields))
        pipe.mget(contract.LIVE, contract.PREVIOUS)
        *replies, pointers = await pipe.execute()
    if not is_shown(pointers, release.name, pinned=False):
        return None
    found = iter([each for reply in replies for each in reply])
    artists = _keys(asked.artist_ids, found)
    tracks = _keys(asked.track_ids, found)
    excluded = _keys(asked.window.exclude, found)
    tags, unknown_tags = chosen_tags(asked.tags, dict(zip(tag_fields, found, strict=True)))
    return _Seeds(
        artists=_distinct(artists),
        tracks=_distinct(tracks),
        tags=tags,
        unknown_ids=[each for each, key in (*artists, *tracks) if key is None],
        unknown_tags=unknown_tags,
        left_out={*_distinct(tracks), *_distinct(excluded)},
    )


def _keys(ids: Collection[str], found: Iterator[bytes | None]) -> list[tuple[str, int | None]]:
    """Public ids with the keys that the next of what was found says; None for those that are not known."""
    try:
        return [
            (each, contract.track_key(field) if field is not None else None)
            for each, field in zip(ids, islice(found, len(ids)), strict=True)
        ]
    except ContractError as error:
        raise UnreadableReleaseError(f"the public ids of seeds: {error}") from error


def _distinct(keys: Iterable[tuple[str, int | None]]) -> list[int]:
    return list(dict.fromkeys(key for _, key in keys if key is not None))


async def _supports(redis: Redis, release: Release, seeds: _Seeds) -> list[Support] | None:
    """What the seeds say for which tracks; None when the release is not live any more."""
    name = release.name
    of_tags = {key for listed in seeds.tags.values() for key in listed.track_keys[:TRACKS_OF_A_TAG].tolist()}
    similar_artists = await _lists(redis, release, contract.similar_artists_key(name), seeds.artists)
    similar_tracks = await _lists(redis, release, contract.similar_tracks_key(name), list({*seeds.tracks, *of_tags}))
    if similar_artists is None or similar_tracks is None:
        return None
    named = {key for listed in similar_artists.values() for key in listed.track_keys.tolist()}
    tracks_of = await _lists(redis, release, contract.artist_tracks_key(name), list({*seeds.artists, *named}))
    if tracks_of is None:
        return None
    supports: list[Support] = []
    for seed, key in enumerate(seeds.artists):
        own, similar = tracks_of.get(key, NO_LIST), similar_artists.get(key, NO_LIST)
        supports += of_artist(seed, own, similar, tracks_of)
    for seed, key in enumerate(seeds.tracks, len(seeds.artists)):
        if key in similar_tracks:
            supports.append(of_similar_tracks(seed, similar_tracks[key]))
    for seed, listed in enumerate(seeds.tags.values(), len(seeds.artists) + len(seeds.tracks)):
        supports += of_tag(seed, listed, similar_tracks)
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


def _reason(seed: Artist | Track | str) -> bytes:
    match seed:
        case Artist():
            named = {"artist_id": seed.artist_id, "name": seed.name}
        case Track():
            named = {"track_id": seed.track_id, "title": seed.title}
        case str():
            named = {"tag": seed}
    return orjson.dumps({"type": SEED_REASON_TYPE, **named})
