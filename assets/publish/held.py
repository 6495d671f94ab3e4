"""The releases that Redis holds: which are live and previous, and the swap of the two."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline

from assets.publish.content import ReleaseError
from assets.publish.failures import redis_errors
from assets.publish.reading_back import DamagedReleaseError
from assets.publish.verification import read_meta, verify
from serving_api import contract
from serving_api.contract import LIVE, PREVIOUS, RELEASES, ContractError, ReleaseMeta


@dataclass(frozen=True)
class ListedRelease:
    """A release that Redis holds; of one that cannot be read, only what its pointer and its time say."""

    release: str
    status: Literal["live", "previous"]
    published_at: datetime | None
    """When it first went live; None where Redis no longer says."""
    meta: ReleaseMeta | None
    fault: str | None
    """Why `meta` is missing."""


class Listed(NamedTuple):
    """An entry of RELEASES, with the instant that it says, if that is one."""

    release: str
    published_at: datetime | None


def list_releases(client: Redis) -> list[ListedRelease]:
    """The releases that Redis holds, latest published first, unreadable ones included. Raises ReleaseError."""
    with redis_errors(client):
        live, previous = pointers(client)
        since = {each.release: each.published_at for each in listed(client)}
        # Those that a pointer names and that are no longer listed come last.
        names = [name for name in [*since, live, previous] if name and name in (live, previous)]
        releases = []
        for name in dict.fromkeys(names):
            meta, fault = meta_or_fault(client, name)
            status: Literal["live", "previous"] = "live" if name == live else "previous"
            releases.append(ListedRelease(name, status, since.get(name), meta, fault))
        return releases


def faults(client: Redis) -> list[str]:
    """What is wrong with the keys that say which releases there are, in words; empty where nothing is.

    Publishing puts all of it right. Raises ReleaseError when Redis fails.
    """
    with redis_errors(client):
        found = [fault for key in (LIVE, PREVIOUS) if (fault := pointer_fault(client, key))]
        kind = _kind(client, RELEASES)
        if kind not in ("none", "zset"):
            return [*found, f"{RELEASES} is a {kind} instead of a sorted set"]
        names = [name for name in pointers(client) if name]
        entries = listed(client)
        times = {each.release: each.published_at for each in entries}
        if client.zcard(RELEASES) != len(entries):
            found.append(f"{RELEASES} lists something that is not the name of a release")
        for name in names:
            if times.get(name) is None:
                found.append(f"{RELEASES} does not say since when {name} has been published")
        if others := sorted(times.keys() - names):
            found.append(f"{RELEASES} lists {others[0]}, which is neither live nor previous")
        return found


def pointer_fault(client: Redis, key: str) -> str | None:
    """What is wrong with a pointer, None where nothing is; one that is missing is not wrong."""
    kind = _kind(client, key)
    if kind == "none":
        return None
    if kind != "string":
        return f"{key} is a {kind} instead of the name of a release"
    packed = cast(bytes, client.get(key) or b"")
    return None if _name(packed) else f"{key} is {packed[:40]!r}, which is not the name of a release"


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
        wrong = pointer_fault(client, LIVE) or pointer_fault(client, PREVIOUS)
        if wrong:
            raise ReleaseError(f"{wrong}; publish again, which puts it right")
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
    """The live and the previous release; None for what is missing, or is not the name of a release."""
    live, previous = cast(list[bytes | None], client.mget(LIVE, PREVIOUS))
    return _name(live), _name(previous)


def listed(client: Redis) -> list[Listed]:
    """What RELEASES lists, latest published first, without what is not the name of a release."""
    if _kind(client, RELEASES) != "zset":
        return []
    entries = cast(list[tuple[bytes, float]], client.zrevrange(RELEASES, 0, -1, withscores=True))
    return [Listed(name, _instant(score)) for packed, score in entries if (name := _name(packed))]


def kept_names(client: Redis) -> list[str]:
    """The releases that are not leftovers: live, previous, and others that are listed, as a lost pointer named them."""
    others = [each.release for each in listed(client) if client.exists(contract.meta_key(each.release))]
    return list(dict.fromkeys(name for name in (*pointers(client), *others) if name))


def _kind(client: Redis, key: str) -> str:
    return cast(bytes, client.type(key)).decode()


def _name(packed: bytes | None) -> str | None:
    try:
        return contract.release_name(packed or b"")
    except ContractError:
        return None


def _instant(score: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(score, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def meta_or_fault(client: Redis, name: str) -> tuple[ReleaseMeta | None, str | None]:
    """The description of a release, or why there is none that this version can read."""
    try:
        return read_meta(client, name), None
    except ContractError as error:
        return None, str(error)
