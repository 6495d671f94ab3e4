"""How the OpenAPI description says what all routes have in common: errors, headers, what is cached."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from serving_api.models import Problem

PROBLEM = {"$ref": "#/components/schemas/Problem"}

_TEXT = {"type": "string"}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The request's own id, or one that was made for it.", "schema": _TEXT},
    "ETag": {"description": "Send it as If-None-Match, and get 304 while the answer is the same.", "schema": _TEXT},
    "Cache-Control": {"description": "Who may keep the answer, and for how long.", "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait before asking again.", "schema": {"type": "integer"}},
    "RateLimit": {"description": "What is left of the limit, and when it is whole again.", "schema": _TEXT},
    "RateLimit-Policy": {"description": "The limit.", "schema": _TEXT},
    "Allow": {"description": "The methods of the path.", "schema": _TEXT},
}
_OF_STATUS: dict[str, tuple[str, ...]] = {
    "304": ("ETag", "Cache-Control"),
    "405": ("Allow",),
    "429": ("Retry-After", "RateLimit", "RateLimit-Policy"),
    "503": ("Retry-After",),
}
_TAGS = {
    "recommendations": "Lists: of users, for somebody new, and what is popular.",
    "blocks": "What users never want to be recommended.",
    "catalogue": "Tracks and artists, and what is similar to them.",
    "health": "Whether the process answers, and what from.",
}


def method_name(route: APIRoute) -> str:
    """The operation's id, from which clients name their methods: userRecommendations for user_recommendations."""
    first, *rest = route.name.split("_")
    return first + "".join(word.title() for word in rest)


def describe_common(app: FastAPI) -> None:
    """Add to the description what every route has: the schema of problems, headers, 304, what is refused anywhere."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        if "Problem" not in document["components"]["schemas"]:
            _complete(document)
        return document

    app.openapi = described  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    _, schemas = models_json_schema([(Problem, "validation")], ref_template="#/components/schemas/{model}")
    components = document["components"]
    components["schemas"] |= schemas["$defs"]
    components["headers"] = HEADERS
    used = set()
    for path, method, operation in _operations(document):
        used.update(operation.get("tags", ()))
        # Said to be open, rather than not said.
        operation.setdefault("security", [])
        responses = operation["responses"]
        for status in _common(path, operation):
            told = {"description": HTTPStatus(int(status)).phrase}
            responses.setdefault(status, told | {"content": {"application/problem+json": {"schema": PROBLEM}}})
        if method == "get":
            responses.setdefault("304", {"description": "The caller has this answer already."})
        for status, response in responses.items():
            named = ("X-Request-ID", *_OF_STATUS.get(status, ()))
            if method == "get" and status == "200":
                named += ("ETag", "Cache-Control")
            response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in named}
        operation["responses"] = dict(sorted(responses.items()))
    document["tags"] = [{"name": tag, "description": text} for tag, text in _TAGS.items() if tag in used]
    document["servers"] = [{"url": "/"}]


def _common(path: str, operation: dict[str, Any]) -> tuple[str, ...]:
    """The statuses of what is refused whatever the route."""
    own = ("404",) * ("{" in path) + ("413",) * ("requestBody" in operation)
    return ("400", "405", "421", "431", *own)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation
