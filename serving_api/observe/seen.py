"""What is seen of a request once it is answered."""

from dataclasses import dataclass

from starlette.types import Scope

from serving_api.observe.noted import cause_of, fallback_of, trace_of

OTHER = "other"
"""The route of a request for what the API does not describe: paths without anything, files of the documentation."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and its answer, as operators see them: neither whose list it is, nor its path, headers or query."""

    request_id: str
    method: str
    route: str
    """The path of the route with its parameters' names, or OTHER."""
    status: int
    seconds: float
    """From the first byte that the API saw of the request to the last one that it sent."""
    fallback: str | None
    """The `fallback_reason` of the answer."""
    cause: Exception | None
    """Why it failed, or fell back although a list is there."""
    trace_id: str | None
    """Of the OpenTelemetry trace that it belongs to, if it is traced."""


def answered(scope: Scope, status: int, seconds: float) -> Answered:
    """What is seen of a request with the scope as its routes left it."""
    route = scope.get("route")
    return Answered(
        scope["state"]["request_id"],
        scope["method"],
        getattr(route, "path_format", None) or OTHER,
        status,
        seconds,
        fallback_of(scope),
        cause_of(scope),
        trace_of(scope),
    )
