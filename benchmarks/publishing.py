"""What it costs to publish made-up lists, beside bare SETs of the same bytes."""

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Any, cast
from unittest.mock import patch

from redis import Redis

from assets.publish.loading import load
from assets.publish.release import publish
from assets.publish.spool import ENTRIES_PER_COMMAND
from benchmarks.made_up import SLATES, made_up_release
from serving_api.contract import release_key_pattern


@dataclass(frozen=True)
class Published:
    """What publishing cost, beside bare pipelined SETs that write the same bytes.

    Its seconds are those of everything: making the lists up, which is also measured alone, naming, packing, loading,
    reading all of it back, and the flip.
    """

    users: int
    seconds: float
    making_up_seconds: float
    load_seconds: float
    bare_seconds: float
    peak_mb: float
    """Memory of the publisher, which is a process of its own."""
    bytes_per_list: float


def measure_publish(client: Redis, users: int, tracks: int) -> Published:
    """Publish, then write the bytes of the release again with nothing but pipelined commands."""
    before = client.info("memory")["used_memory"]
    known = client.connection_pool.connection_kwargs
    address = {name: known[name] for name in ("host", "port", "db", "username", "password") if name in known}
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        release, seconds, making_up, loading, peak = pool.submit(_publish, address, users, tracks).result()
    held = client.info("memory")["used_memory"] - before
    bare = _bare_seconds(client, release)
    return Published(users, seconds, making_up, loading, bare, peak, held / (users * len(SLATES)))


def _publish(address: dict[str, Any], users: int, tracks: int) -> tuple[str, float, float, float, float]:
    """Publish; returns the name, the seconds of all, of making the lists up and of loading, and the peak of memory."""
    release = made_up_release(users, tracks)
    loading: list[float] = []

    def timed(*arguments: Any) -> None:
        started = time.perf_counter()
        load(*arguments)
        loading.append(time.perf_counter() - started)

    with Redis(**address) as client, patch("assets.publish.release.load", timed):
        started = time.perf_counter()
        name = publish(client, release).meta.release
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    for made in (release.tracks(), release.artists(), *map(release.batches, SLATES)):
        for _ in made:
            pass
    return name, seconds, time.perf_counter() - started, loading[0], peak


def _bare_seconds(client: Redis, release: str) -> float:
    """Seconds of writing each hash of a release again, entries as single commands in pipelines."""
    seconds = 0.0
    for key in list(client.scan_iter(match=release_key_pattern(release))):
        if client.type(key) != b"hash":
            continue
        cursor = -1
        while cursor != 0:
            cursor, entries = cast(
                tuple[int, dict[bytes, bytes]], client.hscan(key, max(cursor, 0), count=ENTRIES_PER_COMMAND)
            )
            started = time.perf_counter()
            pipe = client.pipeline(transaction=False)
            for field, payload in entries.items():
                pipe.set(b"bare:" + key + field, payload)
            pipe.execute()
            seconds += time.perf_counter() - started
    # Not before: Redis would write all of it into the same few pages, where a release grows.
    bare = client.scan_iter(match="bare:*", count=ENTRIES_PER_COMMAND)
    while keys := list(islice(bare, ENTRIES_PER_COMMAND)):
        client.unlink(*keys)
    return seconds
