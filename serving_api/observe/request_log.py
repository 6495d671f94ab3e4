"""One line of the log for each request."""

from datetime import UTC, datetime
from typing import Any

from serving_api.observe.causes import kind_of, text_of
from serving_api.observe.lines import LineWriter, packed
from serving_api.observe.seen import Answered


def log_request(writer: LineWriter, seen: Answered) -> None:
    """Write the line of a request."""
    told: dict[str, Any] = {
        "time": datetime.now(UTC),
        "level": _level(seen),
        "request_id": seen.request_id,
        "method": seen.method,
        "route": seen.route,
        "status": seen.status,
        "duration_ms": round(seen.seconds * 1000, 3),
        "fallback": seen.fallback,
        "cause": None,
    }
    if seen.cause is not None:
        told |= {"cause": kind_of(seen.cause), "cause_text": text_of(seen.cause)}
    if seen.trace_id is not None:
        told["trace_id"] = seen.trace_id
    writer.put(packed(told))


def _level(seen: Answered) -> str:
    if seen.status < 500:
        return "info" if seen.cause is None else "warning"
    # What the store cannot answer is not a fault of the API.
    return "warning" if seen.status == 503 else "error"
