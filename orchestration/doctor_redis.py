"""What `audotics doctor` finds in Redis: room, the releases it holds, what users have blocked."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import redis
import sqlalchemy

from orchestration.findings import Finding, failure
from serving_api import contract
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.redis_client import redis_client
from warehouse.wording import counted

if TYPE_CHECKING:
    from assets.publish.verification import VerifiedRelease

REDIS_FULL_AT = 0.9
_PUBLISH_AGAIN = "`audotics run` publishes again, which puts it right"


def redis_findings(url: str | None, warehouse_url: str | None, timeout_seconds: float) -> Iterator[Finding]:
    """Read what is in Redis, and compare it with the warehouse; None for a server that does not answer."""
    if url is None:
        for name in ("Redis memory", "live release", "previous release", "list of releases", "blocks", "block changes"):
            yield Finding(name, False, "unknown", "start Redis first")
        return
    with redis_client(url, timeout_seconds) as client:
        yield _checked("Redis memory", lambda: _memory(client))
        yield _checked("live release", lambda: _live_release(client, warehouse_url))
        yield _checked("previous release", lambda: _previous_release(client, warehouse_url))
        yield _checked("list of releases", lambda: _list_of_releases(client))
        if warehouse_url is None:
            yield Finding("blocks", False, "unknown", "start PostgreSQL first")
        else:
            yield _checked("blocks", lambda: _blocks(warehouse_url, client))
        yield _checked("block changes", lambda: _block_changes(client))


def _checked(name: str, check: Callable[[], Finding]) -> Finding:
    """What a check finds, or what keeps it from finding anything."""
    try:
        return check()
    except ImportError as error:
        # A check needs packages that may be what is missing.
        return Finding(name, False, f"unknown: {error}", "run `make setup`")
    except AudoticsError as error:
        return failure(name, error)
    except redis.exceptions.RedisError as error:
        return Finding(name, False, f"cannot be read: {error}", "grant this user INFO and reading audotics:*")
    except sqlalchemy.exc.DBAPIError as error:
        wrong = " ".join(str(error.orig).split())
        return Finding(name, False, f"cannot be read: {wrong}", "apply the migrations, grant this role raw and ml")


def _memory(client: redis.Redis) -> Finding:
    memory = client.info("memory")
    used, limit, policy = memory["used_memory"], memory["maxmemory"], memory["maxmemory_policy"]
    value = f"{used / 2**20:,.1f} MiB used, " + (f"limit {limit / 2**20:,.0f} MiB" if limit else "no limit")
    if limit and policy.startswith("allkeys-"):
        advice = "Redis may drop parts of a live release: set its maxmemory-policy to noeviction"
        return Finding("Redis memory", False, f"{value}, policy {policy}", advice)
    full = bool(limit) and used > REDIS_FULL_AT * limit
    return Finding("Redis memory", not full, value, "nearly full: raise its maxmemory before the next release")


def _live_release(client: redis.Redis, warehouse_url: str | None) -> Finding:
    return _pointed_to("live release", client, contract.LIVE, warehouse_url) or Finding(
        "live release", False, "none", "publish one: `audotics run`"
    )


def _previous_release(client: redis.Redis, warehouse_url: str | None) -> Finding:
    return _pointed_to("previous release", client, contract.PREVIOUS, warehouse_url) or Finding(
        "previous release", True, "none yet, so nothing to roll back to"
    )


def _pointed_to(name: str, client: redis.Redis, key: str, warehouse_url: str | None) -> Finding | None:
    """What is found of the release that a pointer names; None where there is no pointer."""
    from assets.publish.held import pointer_fault

    if wrong := pointer_fault(client, key):
        return Finding(name, False, wrong, _PUBLISH_AGAIN)
    pointer = cast(bytes | None, client.get(key))
    return None if pointer is None else _release(name, client, contract.release_name(pointer), warehouse_url)


def _list_of_releases(client: redis.Redis) -> Finding:
    from assets.publish.held import faults

    wrong = faults(client)
    name = "list of releases"
    return Finding(name, False, "; ".join(wrong), _PUBLISH_AGAIN) if wrong else Finding(name, True, "as it should be")


def _release(name: str, client: redis.Redis, release: str, warehouse_url: str | None) -> Finding:
    """Read all that Redis holds of a release: what its description says proves nothing."""
    from assets.publish.reading_back import DamagedReleaseError
    from assets.publish.verification import verify

    on_record = _on_record(warehouse_url, release) if warehouse_url else None
    try:
        held = verify(client, release, on_record)
    except DamagedReleaseError as damage:
        advice = (
            f"materialise `release` as of {release[:10]}, or `audotics run --as-of {release[:10]}`, publishes again"
        )
        return Finding(name, False, str(damage), advice)
    if warehouse_url and on_record is None:
        advice = "`audotics releases list` records it; if this is not the Redis of this warehouse, correct the settings"
        return Finding(name, False, f"{release} is not on record in ml.releases", advice)
    return Finding(name, True, _described(held))


def _described(held: "VerifiedRelease") -> str:
    from assets.publish.left_out import left_out

    meta = held.meta
    users = ", ".join(f"{slate} {counted(count, 'user')}" for slate, count in sorted(held.counts.users.items()))
    whole = f"{meta.release}, as of {meta.as_of}, generated {meta.generated_at:%F %T} UTC, {users}; read back whole"
    return "; ".join([whole, *left_out(meta.models, asdict(held.counts), meta.held)])


def _on_record(warehouse_url: str, release: str) -> dict[str, Any] | None:
    from assets.publish.warehouse_content import counts_on_record

    with create_engine(warehouse_url).connect() as connection:
        return counts_on_record(connection, release)


def _blocks(warehouse_url: str, client: redis.Redis) -> Finding:
    """Whether readers know what users have blocked."""
    from assets.publish.blocks import compare_blocks

    found = compare_blocks(create_engine(warehouse_url), client)
    if found.differing:
        compared = counted(found.compared, "user")
        value = f"Redis says something else of {found.differing:,} of {compared}, such as {found.example}"
    else:
        value = f"{counted(found.users, 'user', ('has', 'have'))} blocked something, {found.fields:,} in Redis"
        value += f"; of {found.compared:,} of them, picked at random, it says the same" if found.compared else ""
    if not found.differing and found.fields == found.users:
        return Finding("blocks", True, value)
    return Finding("blocks", False, value, "`audotics blocks publish` writes them again, as the next release does")


def _block_changes(client: redis.Redis) -> Finding:
    """Whether what users have blocked over HTTP can be read, and is safe until the warehouse is told."""
    from assets.publish.pulled_blocks import pending_changes

    changes, unreadable = pending_changes(client)
    users = len(changes) + len(unreadable)
    value = f"{counted(users, 'user')} changed their blocks since the last load"
    if unreadable:
        advice = f"put the field right in {contract.BLOCK_CHANGES} or delete it: no list is shown to them until then"
        value += f"; those of {counted(len(unreadable), 'user')}, such as {unreadable[0]}, cannot be read"
        return Finding("block changes", False, value, advice)
    if users and not client.info("persistence")["aof_enabled"]:
        value += ", and Redis would lose that with its memory"
        return Finding("block changes", False, value, "`audotics blocks pull` saves it; set Redis' appendonly to yes")
    return Finding("block changes", True, value)
