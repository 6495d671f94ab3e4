"""What the read API counts and measures, for Prometheus."""

from os import environ
from typing import NamedTuple, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from serving_api import models
from serving_api.observe.causes import KINDS, kind_of
from serving_api.observe.lines import LineWriter
from serving_api.observe.seen import Answered
from serving_api.store import MAX_CONNECTIONS, ReleaseStore

# The client library's own setting, read when it is imported: a folder in which the workers of one port add up.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class _Children(NamedTuple):
    """What a request of one route, status and fallback is counted in."""

    latency: Histogram
    responses: Counter
    fallbacks: Counter | None


class Metrics:
    """The metrics of one process, or of one worker of many that share a folder."""

    def __init__(self) -> None:
        # The time of its first count doubles the series, and nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        """What this process alone exports; nothing is in it where workers share a folder."""
        own = None if shares_folder() else self.registry
        if own is not None:
            for collector in (ProcessCollector, PlatformCollector, GCCollector):
                collector(registry=own)
        self._answers = _Answers(own)
        self._standing = _Standing(own)
        self.batch_sizes = Histogram(
            "audotics_api_batch_size",
            "How many requests were answered from one read of personal lists.",
            buckets=_BATCH_BUCKETS,
            registry=own,
        )

    def count(self, seen: Answered) -> None:
        """Count a request that was answered."""
        self._answers.count(seen)

    def read(self, store: ReleaseStore, writer: LineWriter) -> None:
        """Take over what the store and the log count by themselves."""
        self._standing.read(store, writer)


class _Answers:
    """What is counted of every request."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._latency = Histogram(
            "audotics_api_request_duration_seconds",
            "Seconds from a request to the end of its answer; outcome: ok, fallback, client_error, server_error.",
            ["route", "outcome"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self._responses = Counter(
            "audotics_api_responses", "Answers by route and HTTP status.", ["route", "status"], registry=registry
        )
        self._fallbacks = Counter(
            "audotics_api_fallbacks",
            "Answers by their fallback_reason, if they have one.",
            ["reason"],
            registry=registry,
        )
        self._causes = Counter(
            "audotics_api_failures",
            "Requests that failed or fell back, by what caused it.",
            ["cause"],
            registry=registry,
        )
        self._known: dict[tuple[str, int, str | None], _Children] = {}
        # So that a rate is there before the first of them.
        for reason in get_args(models.FallbackReason):
            self._fallbacks.labels(reason)
        for cause in KINDS:
            self._causes.labels(cause)

    def count(self, seen: Answered) -> None:
        key = (seen.route, seen.status, seen.fallback)
        children = self._known.get(key)
        if children is None:
            children = self._known[key] = self._children(*key)
        children.latency.observe(seen.seconds)
        children.responses.inc()
        if children.fallbacks is not None:
            children.fallbacks.inc()
        if seen.cause is not None:
            self._causes.labels(kind_of(seen.cause)).inc()

    def _children(self, route: str, status: int, fallback: str | None) -> _Children:
        return _Children(
            self._latency.labels(route, _outcome(status, fallback)),
            self._responses.labels(route, str(status)),
            self._fallbacks.labels(fallback) if fallback else None,
        )


class _Standing:
    """How the process stands at the moment of a scrape."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._cache_reads = Counter(
            "audotics_api_cache_records_read",
            "Records of tracks and artists, by whether they were kept already: hit, miss.",
            ["result"],
            registry=registry,
        )
        self._lost = Counter(
            "audotics_api_log_lines_lost", "Lines of the log that could not be written.", registry=registry
        )
        self._kept, self._busy, self._idle, self._most = (
            # Of workers that share a folder, those that live add up.
            Gauge(f"audotics_api_{name}", said, registry=registry, multiprocess_mode="livesum")
            for name, said in (
                ("cache_records", "Records of tracks and artists that are kept."),
                ("redis_connections_in_use", "Connections to Redis that wait for an answer."),
                ("redis_connections_idle", "Connections to Redis that wait for a request."),
                ("redis_connections_limit", "The most connections to Redis."),
            )
        )
        self._taken_over: dict[Counter, int] = {}

    def read(self, store: ReleaseStore, writer: LineWriter) -> None:
        cache = store.cache
        for counter, count in (
            (self._cache_reads.labels("hit"), cache.hits),
            (self._cache_reads.labels("miss"), cache.misses),
            (self._lost, writer.lost),
        ):
            counter.inc(count - self._taken_over.get(counter, 0))
            self._taken_over[counter] = count
        self._kept.set(cache.kept)
        busy, idle = store.connections
        self._busy.set(busy)
        self._idle.set(idle)
        self._most.set(MAX_CONNECTIONS)


def shares_folder() -> bool:
    """Whether the workers of one port add up what they count in a folder."""
    return bool(environ.get(SHARED_FOLDER))


def _outcome(status: int, fallback: str | None) -> str:
    if status >= 400:
        return "server_error" if status >= 500 else "client_error"
    return "fallback" if fallback else "ok"
