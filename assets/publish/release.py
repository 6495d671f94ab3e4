"""Publishes releases: load beside the live one, verify what arrived, flip one pointer.

Whatever happens in between, and at whatever instant the process dies, readers see the old release or the
new one, and the next publish leaves the same keys as an undisturbed one: under the publish lock, every key of
a release that is neither the live nor the previous one is a leftover, and is removed.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from redis import Redis
from redis.client import Pipeline

from assets.publish.content import ReleaseError, ReleaseInput
from assets.publish.failures import SILENT, redis_errors
from assets.publish.held import faults, kept_names, listed, meta_or_fault, pointers
from assets.publish.loading import load
from assets.publish.lock import PublishLock
from assets.publish.memory import require_memory
from assets.publish.plan import Plan, ReleaseCounts, plan_release
from assets.publish.reading_back import DamagedReleaseError
from assets.publish.spool import Spool, new_spool
from assets.publish.verification import VerifiedRelease, verify
from assets.release_gate.expected import MAY_LACK_A_LIST, MIN_COVERAGE
from serving_api import contract
from serving_api.contract import LIVE, PREVIOUS, PUBLISH_LOCK, RELEASES, ReleaseMeta

LOCK_SECONDS = 30.0

# In place of the digest: names of no release, whose keys are leftovers to everybody else.
_LOADING_AGAIN = "repaired"
_REPLACED = "replaced"


class NewerReleaseLiveError(ReleaseError):
    """A release that is not published because one of a later date is live: it is to be read, not served."""

    def __init__(self, release: str, live: str, repaired: str | None = None) -> None:
        super().__init__(f"{release} is not published: the live release {live} is of a later date")
        self.release = release
        self.live = live
        self.repaired = repaired
        """What was damaged of the release, which is the previous one, before it was loaded again."""


@dataclass(frozen=True)
class PublishedRelease:
    """A release that is live."""

    meta: ReleaseMeta
    counts: ReleaseCounts
    previous: str | None
    already_live: bool
    """True when the same content was live before."""
    repaired: str | None
    """What was damaged of the release, which Redis held before, and is now loaded again."""
    coverage: dict[str, float]
    """Share of the expected users with a list, per slate."""
    distinct_tracks: dict[str, int]
    """Number of different tracks in the lists, per slate."""
    estimated_bytes: int


def publish(
    client: Redis,
    release: ReleaseInput,
    *,
    min_coverage: float = MIN_COVERAGE,
    lock_seconds: float = LOCK_SECONDS,
) -> PublishedRelease:
    """Make the content the live release; the release that was live becomes the previous one.

    `client` must not decode responses. Content that Redis holds already, as the live or the previous release, is read
    back whole; where it is damaged it is loaded again and put in its place at once, and else nothing of it is written.
    `lock_seconds` is how long a publisher may go without a sign of life before another takes over.

    Raises ReleaseError, leaving the live release as it was, when the content is faulty or covers less than
    `min_coverage` of the expected users in some slate and lacks more than MAY_LACK_A_LIST of them, Redis has too little
    memory or fails, another publisher is at work, or what arrived in Redis differs from what was sent;
    NewerReleaseLiveError when a release of a later date is live, or became so while this one was loaded.
    """
    with new_spool() as spool:
        plan = plan_release(release, spool)
        coverage = _coverage(plan, release.expected_users, min_coverage)
        return _publish(client, spool, plan, coverage, lock_seconds)


def _publish(
    client: Redis, spool: Spool, plan: Plan, coverage: dict[str, float], lock_seconds: float
) -> PublishedRelease:
    with redis_errors(client), _publishing(client, lock_seconds) as lock:
        live, _ = pointers(client)
        held = plan.release in kept_names(client)
        newer = _newer_live(client, live, plan.meta)
        if newer and not held:
            raise NewerReleaseLiveError(plan.release, newer)
        verified, repaired = _make_whole(client, lock, spool, plan, held)
        if newer:
            raise NewerReleaseLiveError(plan.release, newer, repaired)
        if plan.release != live or faults(client):
            _flip(client, lock, plan.meta)
        return PublishedRelease(
            meta=plan.meta,
            counts=verified.counts,
            previous=pointers(client)[1],
            already_live=plan.release == live,
            repaired=repaired,
            coverage=coverage,
            distinct_tracks=verified.distinct_tracks,
            estimated_bytes=plan.estimated_bytes,
        )


def _coverage(plan: Plan, expected_users: Mapping[str, int], min_coverage: float) -> dict[str, float]:
    """The share of the expected users with a list, per slate. Raises ReleaseError when it is too little."""
    coverage = {slate: users / max(expected_users[slate], 1) for slate, users in sorted(plan.counts.users.items())}
    for slate, share in coverage.items():
        if share < min_coverage and expected_users[slate] - plan.counts.users[slate] > MAY_LACK_A_LIST:
            raise ReleaseError(
                f"slate {slate}: {plan.counts.users[slate]} of {expected_users[slate]} users have a list, {share:.1%}"
                f" of them where {min_coverage:.1%} is the least; the live release stays"
            )
    return coverage


def _make_whole(
    client: Redis, lock: PublishLock, spool: Spool, plan: Plan, held: bool
) -> tuple[VerifiedRelease, str | None]:
    """See to it that Redis holds the release as it should be; what was damaged before, if anything was."""
    published = asdict(plan.counts)
    repaired = None
    if held:
        try:
            return verify(client, plan.release, published, beat=lock.beat), None
        except DamagedReleaseError as damage:
            repaired = str(damage)
    require_memory(client, plan)
    stored_as = _beside(plan.release, _LOADING_AGAIN) if held else plan.release
    load(client, spool, plan, stored_as, lock.beat)
    try:
        verified = verify(client, plan.release, published, stored_as=stored_as, beat=lock.beat)
    except DamagedReleaseError as damage:
        raise ReleaseError(f"{damage}; the live release stays, publish again") from damage
    if held:
        _exchange(client, lock, plan.release, stored_as)
    return verified, repaired


def _exchange(client: Redis, lock: PublishLock, name: str, stored_as: str) -> None:
    """Put the keys of a release that was loaded again in their place, all at once; those there become leftovers."""

    def keys_of(release: str) -> list[bytes]:
        return list(client.scan_iter(match=contract.release_key_pattern(release), count=1000))

    def exchange(pipe: Pipeline) -> None:
        lock.require()
        pipe.multi()
        for old, new, keys in ((name, _beside(name, _REPLACED), damaged), (stored_as, name, loaded)):
            for key in keys:
                pipe.rename(key, key.replace(old.encode(), new.encode(), 1))

    damaged, loaded = keys_of(name), keys_of(stored_as)
    client.transaction(exchange, PUBLISH_LOCK)


def _beside(release: str, word: str) -> str:
    """The name under which keys of a release lie that are not in their place."""
    return f"{release[:-8]}{word}"


def _newer_live(client: Redis, live: str | None, meta: ReleaseMeta) -> str | None:
    """The live release if it is of a later date; one that cannot be read is not."""
    live_meta = meta_or_fault(client, live)[0] if live else None
    return live_meta.release if live_meta is not None and live_meta.as_of > meta.as_of else None


@contextmanager
def _publishing(client: Redis, seconds: float) -> Iterator[PublishLock]:
    """Hold the publish lock; leftovers are removed at the beginning and at the end."""
    lock = PublishLock(client, seconds)
    lock.acquire()
    silent = False
    try:
        _remove_leftovers(client, lock)
        yield lock
    except SILENT:
        # The lock runs out, and the leftovers go with the next publisher.
        silent = True
        raise
    finally:
        if not silent:
            _remove_leftovers(client, lock)
            lock.release()


def _remove_leftovers(client: Redis, lock: PublishLock) -> None:
    """Remove every release key that belongs neither to the live nor to the previous release, nor to one of them whose
    pointer was lost.
    """
    if not lock.owned():
        return
    kept = [f"audotics:{name}:".encode() for name in kept_names(client)]
    keys = client.scan_iter(match=contract.release_key_pattern("*"), count=1000)
    # At once: of a record, a reader finds all that belongs to it or nothing.
    if leftovers := [key for key in keys if not key.startswith(tuple(kept))]:
        client.unlink(*leftovers)


def _flip(client: Redis, lock: PublishLock, meta: ReleaseMeta) -> None:
    """Make the release live and the live one previous, in one transaction."""
    name = meta.release

    def flip(pipe: Pipeline) -> None:
        lock.require()
        live, _ = pointers(pipe)
        # A rollback does not take the lock, and may have brought a later date back.
        if newer := _newer_live(pipe, live, meta):
            raise NewerReleaseLiveError(name, newer)
        before = next((each for each in kept_names(pipe) if each != name), None)
        now = time.time()
        # One that is listed keeps the instant at which it first went live.
        since = {each.release: each.published_at.timestamp() for each in listed(pipe) if each.published_at}
        pipe.multi()
        pipe.set(LIVE, name)
        if before:
            pipe.set(PREVIOUS, before)
        else:
            pipe.delete(PREVIOUS)
        pipe.delete(RELEASES)
        pipe.zadd(RELEASES, {each: since.get(each, now) for each in (name, before) if each})

    client.transaction(flip, LIVE, PREVIOUS, RELEASES, PUBLISH_LOCK)
