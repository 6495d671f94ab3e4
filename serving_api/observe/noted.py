"""What a request's routes know of it, noted for the log and the metrics in the request's own state."""

from starlette.types import Scope

_FALLBACK = "fallback"
_CAUSE = "cause"
_TRACE = "trace"


def note_fallback(scope: Scope, reason: str) -> None:
    """Note why something else answered than was asked for: the `fallback_reason` of the answer."""
    scope["state"][_FALLBACK] = reason


def note_cause(scope: Scope, error: Exception) -> None:
    """Note which error made the request fail or fall back."""
    scope["state"][_CAUSE] = error


def fallback_of(scope: Scope) -> str | None:
    """What `note_fallback` noted."""
    reason: str | None = scope["state"].get(_FALLBACK)
    return reason


def cause_of(scope: Scope) -> Exception | None:
    """What `note_cause` noted."""
    error: Exception | None = scope["state"].get(_CAUSE)
    return error


def note_trace(scope: Scope, trace_id: str) -> None:
    """Note which trace the request belongs to."""
    scope["state"][_TRACE] = trace_id


def trace_of(scope: Scope) -> str | None:
    """What `note_trace` noted."""
    trace_id: str | None = scope["state"].get(_TRACE)
    return trace_id
