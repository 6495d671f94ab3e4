"""Traces of requests, sent to an OpenTelemetry collector where a setting names one. FastAPI makes the spans."""

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.types import Scope

from serving_api.observe.causes import kind_of
from serving_api.observe.noted import cause_of, fallback_of, note_trace

SERVICE = "audotics-api"
# With what is tried again: a collector that is gone must not hold up the end of the process.
_SEND_SECONDS = 2.0
_HIDDEN = "REDACTED"


class Traces:
    """Sends a span of each request, as OTEL_TRACES_SAMPLER samples them, to the address of a collector's OTLP/HTTP."""

    def __init__(self, url: str) -> None:
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: SERVICE}))
        self._provider.add_span_processor(_HidesUsers())
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_SEND_SECONDS)))

    @property
    def telemetry(self) -> TelemetryConfig:
        """What FastAPI is told."""
        return {"tracer_provider": self._provider, "tracing": True, "operation_spans": False}

    def note(self, scope: Scope) -> None:
        """Put onto the span of the request that is answered now what its routes know of it."""
        span = trace.get_current_span()
        if not span.is_recording():
            return
        note_trace(scope, trace.format_trace_id(span.get_span_context().trace_id))
        span.set_attribute("audotics.request_id", scope["state"]["request_id"])
        if (fallback := fallback_of(scope)) is not None:
            span.set_attribute("audotics.fallback", fallback)
        if (cause := cause_of(scope)) is not None:
            span.set_attribute("audotics.cause", kind_of(cause))

    def close(self) -> None:
        """Send what is left; waits two seconds at most."""
        self._provider.shutdown()


class _HidesUsers(SpanProcessor):
    """Takes paths and queries, which name users, out of spans before anybody sees them; the route stays."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Hide what the span is started with."""
        for name in ("url.path", "url.query"):
            if span.attributes and name in span.attributes:
                span.set_attribute(name, _HIDDEN)
