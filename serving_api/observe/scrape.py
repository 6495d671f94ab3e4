"""`/metrics`: what Prometheus reads."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from serving_api.access.guard import GuardedRoute
from serving_api.answers import Release
from serving_api.contract import CONTRACT_VERSION
from serving_api.errors import StoreUnavailableError
from serving_api.observe.metrics import SHARED_FOLDER, Metrics, shares_folder
from serving_api.store import ReleaseStore

router = APIRouter(route_class=GuardedRoute)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """What this process counts, or all workers that share a folder, and which release is live, asked of Redis now."""
    state = request.app.state
    ready = await _is_ready(state.store)
    state.metrics.read(state.store, state.log)
    registry = _registry(state.metrics)
    registry.register(_LiveRelease(state.store.last_seen, ready))
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": media_type, "Cache-Control": "no-store"})


async def _is_ready(store: ReleaseStore) -> bool:
    with suppress(StoreUnavailableError):
        await store.live()
        return True
    return False


def _registry(metrics: Metrics) -> CollectorRegistry:
    """A registry of this scrape."""
    registry = CollectorRegistry()
    if shares_folder():
        _forget_dead_workers()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(metrics.registry)
    return registry


def _forget_dead_workers() -> None:
    """Take the gauges of workers that are gone out of the sums; what they counted stays."""
    for file in Path(os.environ[SHARED_FOLDER]).glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
        except PermissionError:
            continue


class _LiveRelease(Collector):
    """Which release answers, and how old it is."""

    def __init__(self, release: Release | None, ready: bool) -> None:
        self._release = release
        self._ready = ready

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is depends on the moment."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What a scrape is told."""
        ready = "1 where Redis answers and has a release that this API can read, as /readyz says; else 0."
        yield GaugeMetricFamily("audotics_api_ready", ready, float(self._ready))
        if self._release is None:
            return
        meta = self._release.meta
        told = {"release": meta.release, "as_of": str(meta.as_of), "contract_version": str(CONTRACT_VERSION)}
        yield InfoMetricFamily("audotics_api_release", "The release that answers were made of last.", told)
        now = datetime.now(UTC)
        as_of = datetime.combine(meta.as_of, time(), UTC)
        yield _age("as_of", "Seconds since the instant up to which listens are in the lists.", now - as_of)
        yield _age("generated", "Seconds since the lists were read from the warehouse.", now - meta.generated_at)


def _age(of: str, said: str, age: timedelta) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"audotics_api_release_{of}_age_seconds", said, age.total_seconds())
