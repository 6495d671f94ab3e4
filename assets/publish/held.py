"""The releases that Redis holds: which are live and previous, and the swap of the two."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from redis import Redis
from redis.client import Pipeline

from assets.publish.content import ReleaseError
from assets.publish.failures import redis_errors
from assets.publish.reading_back import DamagedReleaseError
from assets.publish.verification import read_meta, verify
from serving_api.contract import LIVE, PREVIOUS, RELEASES, ContractError, ReleaseMeta


@dataclass(frozen=True)
class ListedRelease:
    """A release that Redis holds; of one that cannot be read, only what its pointer and its time say."""

    release: str
    status: Literal["live", "previous"]
    published_at: datetime
    meta: ReleaseMeta | None
    fault: str | None
    """Why `meta` is missing."""


def list_releases(client: Redis) -> list[ListedRelease]:
    """The releases that Redis holds, latest published first, unreadable ones included. Raises ReleaseError."""
    with redis_errors(client):
        live, previous = pointers(client)
        published = cast(list[tuple[bytes, float]], client.zrevrange(RELEASES, 0, -1, withscores=True))
        listed = []
        for name, score in ((packed.decode(), score) for packed, score in published):
            if name in (live, previous):
                meta, fault = meta_or_fault(client, name)
                status: Literal["live", "previous"] = "live" if name == live else "previous"
                listed.append(ListedRelease(name, status, datetime.fromtimestamp(score, UTC), meta, fault))
        return listed


def rollback(client: Redis) -> str:
    """Swap the live and the previous release; returns the id that is live now.

    The previous release is read whole before. It does not wait for a publisher at work. A second rollback undoes the
    first. Raises ReleaseError, leaving the live release as it was, when there is no previous release, or it is damaged.
    """

    def swap(pipe: Pipeline) -> None:
        if pointers(pipe) != (live, previous):
            raise ReleaseError("another release went live meanwhile; see `audotics releases list`, and roll back again")
        pipe.multi()
        pipe.set(LIVE, cast(str, previous))
        pipe.set(PREVIOUS, cast(str, live))

    with redis_errors(client):
        live, previous = pointers(client)
        if live is None or previous is None:
            raise ReleaseError("there is no previous release to roll back to; publish again to replace this one")
        try:
            verify(client, previous)
        except DamagedReleaseError as damage:
            raise ReleaseError(
                f"{damage}; {live} stays live: materialise `release` as of {previous[:10]}, which loads it again, or"
                " publish a new release"
            ) from damage
        client.transaction(swap, LIVE, PREVIOUS)
        return previous


def pointers(client: Redis) -> tuple[str | None, str | None]:
    live, previous = cast(list[bytes | None], client.mget(LIVE, PREVIOUS))
    return live.decode() if live else None, previous.decode() if previous else None


def listed_names(client: Redis) -> set[str]:
    return {release.decode() for release in cast(list[bytes], client.zrange(RELEASES, 0, -1))}


def meta_or_fault(client: Redis, name: str) -> tuple[ReleaseMeta | None, str | None]:
    """The description of a release, or why there is none that this version can read."""
    try:
        return read_meta(client, name), None
    except ContractError as error:
        return None, str(error)
