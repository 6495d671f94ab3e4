"""Whether Redis has room for a release."""

import ipaddress
import sys
from collections.abc import Mapping
from typing import Any

import psutil
from redis import Redis

from assets.publish.content import ReleaseError
from assets.publish.plan import Plan


def require_memory(client: Redis, plan: Plan) -> None:
    """Raise ReleaseError when the release may not fit, or when Redis might evict parts of it."""
    memory = client.info("memory")
    if memory["maxmemory"] and memory["maxmemory_policy"].startswith("allkeys"):
        raise ReleaseError(
            f"Redis may evict parts of a release (maxmemory-policy {memory['maxmemory_policy']});"
            " set maxmemory-policy noeviction"
        )
    free, where = memory_left(memory, client.connection_pool.connection_kwargs)
    if plan.estimated_bytes > free:
        raise ReleaseError(
            f"the release {plan.release} needs about {_mib(plan.estimated_bytes)} in Redis, which has"
            f" {_mib(free)} left {where}; give it more memory or publish fewer users or shorter lists"
        )


def memory_left(memory: Mapping[str, Any], address: Mapping[str, Any]) -> tuple[int, str]:
    """Bytes that Redis can still take, and what limits them.

    `memory` is Redis' INFO memory, `address` the connection's `host` or `path`. Of another machine nothing is known
    but what its Redis says: other programs there are not seen, and a service that hides its size passes.
    """
    if limit := memory["maxmemory"]:
        return limit - memory["used_memory"], "under its maxmemory"
    if "path" in address or _is_loopback(str(address.get("host", "localhost"))):
        return psutil.virtual_memory().available, "on this machine"
    total = memory.get("total_system_memory", 0)
    return (total - memory["used_memory_rss"] if total else sys.maxsize), "on its machine"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
