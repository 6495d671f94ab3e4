"""Publishes releases: load beside the live one, verify what arrived, flip one pointer; and roll back.

Whatever happens in between, and at whatever instant the process dies, readers see the old release or the
new one, and the next publish leaves the same keys as an undisturbed one: under the publish lock, every key of
a release that is neither the live nor the previous one is a leftover, and is removed.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, cast

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import LockNotOwnedError, RedisError
from redis.lock import Lock

from assets.publish.content import Plan, ReleaseError, ReleaseInput, plan_release
from assets.publish.memory import require_memory
from assets.publish.verification import SIMILAR_KEYS, read_meta, verify
from serving_api import contract
from serving_api.contract import LIVE, PREVIOUS, PUBLISH_LOCK, RELEASES, ContractError, ReleaseMeta

MIN_COVERAGE = 0.95
LOCK_SECONDS = 30.0
# One command of some 1 MB: large enough to be fast, small enough not to hold up readers.
ENTRIES_PER_COMMAND = 1000


class NewerReleaseLiveError(ReleaseError):
    """A release that is not published because one of a later date is live: it is to be looked at, not served."""

    def __init__(self, release: str, live: str) -> None:
        super().__init__(f"{release} is not published: the live release {live} is of a later date")
        self.live = live


@dataclass(frozen=True)
class PublishedRelease:
    """A release that is live."""

    meta: ReleaseMeta
    previous: str | None
    already_live: bool
    """True when the same content was live before and nothing was written."""
    coverage: dict[str, float]
    """Share of the expected users with a list, per slate."""
    distinct_tracks: dict[str, int]
    """Number of different tracks in the lists, per slate."""
    similar: dict[str, int]
    """Number of lists of similar items, of `track` and of `artist`."""
    countries: int
    """Number of countries with a popular list."""
    user_countries: int
    """Number of users whose country the release says."""
    estimated_bytes: int


@dataclass(frozen=True)
class ListedRelease:
    """A release that Redis holds; of one that cannot be read, only what its pointer and its time say."""

    release: str
    status: Literal["live", "previous"]
    published_at: datetime
    meta: ReleaseMeta | None
    fault: str | None
    """Why `meta` is missing."""


def publish(
    client: Redis,
    release: ReleaseInput,
    *,
    min_coverage: float = MIN_COVERAGE,
    lock_seconds: float = LOCK_SECONDS,
) -> PublishedRelease:
    """Make the content the live release; the release that was live becomes the previous one.

    `client` must not decode responses. Content that is live already is verified and left; content that is the
    previous release is verified and made live again; where its description is damaged it is written anew.
    `lock_seconds` is how long a publisher may go without a sign of life before another takes over.

    Raises ReleaseError, leaving the live release as it was, when the content is faulty, Redis has too little memory
    or fails, another publisher is at work, or what arrived in Redis differs from what was sent or covers less than
    `min_coverage` of the expected users in some slate; NewerReleaseLiveError when a release of a later date is live,
    or became so while this one was loaded.
    """
    plan = plan_release(release)
    with redis_errors(client), _publish_lock(client, lock_seconds) as lock:
        live, previous = _pointers(client)
        _require_not_older(client, live, plan.meta)
        _remove_leftovers(client, lock)
        try:
            held = plan.release in (live, previous)
            if not held:
                require_memory(client, plan)
            if not held or _meta_or_fault(client, plan.release)[0] is None:
                _load(client, lock, release, plan)
            coverage, distinct_tracks = verify(client, lock, plan, release.expected_users, min_coverage)
            if plan.release != live:
                _flip(client, lock, plan.meta)
        finally:
            _remove_leftovers(client, lock)
        return PublishedRelease(
            meta=plan.meta,
            previous=_pointers(client)[1],
            already_live=plan.release == live,
            coverage=coverage,
            distinct_tracks=distinct_tracks,
            similar=plan.similar,
            countries=len(plan.country_popular),
            user_countries=plan.user_countries,
            estimated_bytes=plan.estimated_bytes,
        )


def list_releases(client: Redis) -> list[ListedRelease]:
    """The releases that Redis holds, latest published first, unreadable ones included. Raises ReleaseError."""
    with redis_errors(client):
        live, previous = _pointers(client)
        published = cast(list[tuple[bytes, float]], client.zrevrange(RELEASES, 0, -1, withscores=True))
        listed = []
        for name, score in ((packed.decode(), score) for packed, score in published):
            if name in (live, previous):
                meta, fault = _meta_or_fault(client, name)
                status: Literal["live", "previous"] = "live" if name == live else "previous"
                listed.append(ListedRelease(name, status, datetime.fromtimestamp(score, UTC), meta, fault))
        return listed


def rollback(client: Redis) -> str:
    """Swap the live and the previous release; returns the id that is live now.

    It does not wait for a publisher at work. A second rollback undoes the first. Raises ReleaseError when
    there is no previous release.
    """

    def swap(pipe: Pipeline) -> None:
        live, previous = _pointers(pipe)
        if live is None or previous is None:
            raise ReleaseError("there is no previous release to roll back to; publish again to replace this one")
        pipe.multi()
        pipe.set(LIVE, previous)
        pipe.set(PREVIOUS, live)
        pipe.get(LIVE)

    with redis_errors(client):
        *_, live = cast(list[bytes], client.transaction(swap, LIVE, PREVIOUS))
        return live.decode()


def _pointers(client: Redis) -> tuple[str | None, str | None]:
    live, previous = cast(list[bytes | None], client.mget(LIVE, PREVIOUS))
    return live.decode() if live else None, previous.decode() if previous else None


def _meta_or_fault(client: Redis, name: str) -> tuple[ReleaseMeta | None, str | None]:
    """The description of a release, or why there is none that this version can read."""
    try:
        return read_meta(client, name), None
    except ContractError as error:
        return None, str(error)


def _require_not_older(client: Redis, live: str | None, meta: ReleaseMeta) -> None:
    """Raise NewerReleaseLiveError when the live release is of a later date; one that cannot be read is not."""
    live_meta = _meta_or_fault(client, live)[0] if live else None
    if live_meta is not None and live_meta.as_of > meta.as_of:
        raise NewerReleaseLiveError(meta.release, live_meta.release)


@contextmanager
def redis_errors(client: Redis) -> Iterator[None]:
    """Turn errors of Redis into a ReleaseError that says which Redis."""
    address = client.connection_pool.connection_kwargs
    where = address.get("path") or f"{address.get('host')}:{address.get('port')}"
    try:
        yield
    except LockNotOwnedError as error:
        raise ReleaseError(
            f"the lock {PUBLISH_LOCK} in Redis at {where} ran out while publishing, so the release did not"
            " go live; publish again in smaller batches or with a longer lock"
        ) from error
    except ContractError as error:
        raise ReleaseError(f"Redis at {where} holds a damaged release: {error}; publish a new one") from error
    except RedisError as error:
        raise ReleaseError(f"Redis at {where} failed: {error}; check it and AUDOTICS_REDIS_URL") from error


@contextmanager
def _publish_lock(client: Redis, seconds: float) -> Iterator[Lock]:
    lock = client.lock(PUBLISH_LOCK, timeout=seconds)
    # The lock of a publisher that was killed runs out by itself, so wait for as long as that can take.
    if not lock.acquire(blocking_timeout=seconds + 1):
        raise ReleaseError(f"another publisher holds the lock {PUBLISH_LOCK}; publish again when it has finished")
    try:
        yield lock
    finally:
        # One that ran out is not ours to release; whoever holds it now keeps it.
        with suppress(LockNotOwnedError):
            lock.release()


def _remove_leftovers(client: Redis, lock: Lock) -> None:
    """Remove every release key that belongs neither to the live nor to the previous release."""
    if not lock.owned():
        return
    kept = [f"audotics:{name}:".encode() for name in _pointers(client) if name]
    for key in client.scan_iter(match=contract.release_key_pattern("*"), count=1000):
        if not key.startswith(tuple(kept)):
            client.unlink(key)


def _load(client: Redis, lock: Lock, release: ReleaseInput, plan: Plan) -> None:
    """Write every key of the release; nothing reads them before the flip."""
    name = plan.release
    for tracks in release.tracks():
        fields = [contract.track_field(track.track_key) for track in tracks]
        records = map(contract.pack_track, tracks)
        _write(client, contract.tracks_key(name), zip(fields, records, strict=True))
        public_ids = (track.track_id.encode() for track in tracks)
        _write(client, contract.track_ids_key(name), zip(public_ids, fields, strict=True))
        lock.reacquire()
    for artists in release.artists():
        fields = [contract.artist_field(artist.artist_key) for artist in artists]
        _write(client, contract.artists_key(name), zip(fields, map(contract.pack_artist, artists), strict=True))
        public_ids = (artist.artist_id.encode() for artist in artists)
        _write(client, contract.artist_ids_key(name), zip(public_ids, fields, strict=True))
        lock.reacquire()
    for item, key in SIMILAR_KEYS.items():
        for similar in release.similar(item):
            fields = [contract.track_field(each) for each in similar.keys.tolist()]
            _write(client, key(name), zip(fields, similar.packed(), strict=True))
            lock.reacquire()
    _write(client, contract.country_popular_key(name), plan.country_popular.items())
    for users in release.user_countries():
        countries = ((user_id.encode(), country.encode()) for user_id, country in users)
        _write(client, contract.user_countries_key(name), countries)
        lock.reacquire()
    for slate in plan.meta.slates:
        for batch in release.batches(slate):
            user_ids = (user_id.encode() for user_id in batch.user_ids)
            _write(client, contract.slate_key(name, slate), zip(user_ids, batch.packed(), strict=True))
            lock.reacquire()
    client.mset({contract.popular_key(name): plan.popular, contract.meta_key(name): contract.pack_meta(plan.meta)})


def _write(client: Redis, key: str, entries: Iterable[tuple[bytes, bytes]]) -> None:
    rest = iter(entries)
    while chunk := dict(islice(rest, ENTRIES_PER_COMMAND)):
        client.hset(key, mapping=cast(Any, chunk))


def _flip(client: Redis, lock: Lock, meta: ReleaseMeta) -> None:
    """Make the release live and the live one previous, in one transaction."""
    name = meta.release

    def flip(pipe: Pipeline) -> None:
        if not lock.owned():
            raise LockNotOwnedError("the publish lock ran out")
        live, _ = _pointers(pipe)
        # A rollback does not take the lock, and may have brought a later date back.
        _require_not_older(pipe, live, meta)
        listed = {release.decode() for release in cast(list[bytes], pipe.zrange(RELEASES, 0, -1))}
        pipe.multi()
        pipe.set(LIVE, name)
        if live and live != name:
            pipe.set(PREVIOUS, live)
        pipe.zadd(RELEASES, {name: time.time()})
        if gone := listed - {name, live}:
            pipe.zrem(RELEASES, *gone)

    client.transaction(flip, LIVE, RELEASES, PUBLISH_LOCK)
