"""How the description of the API says what each route asks for."""

from typing import Any

from fastapi import FastAPI

from serving_api.access.guard import GuardedRoute, routes_of
from serving_api.access.rules import RULES
from serving_api.access.scopes import EXPLAINED
from serving_api.problems import documented

SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`aud_...`, made by `audotics keys create`), or a token of the identity provider: "
        + "; ".join(f"`{scope}`: {what}" for scope, what in EXPLAINED.items())
        + ". A listener's token reads their own lists without any of these.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key (`aud_...`)."},
}


def describe_access(app: FastAPI) -> None:
    """Add to each route the scope that it needs and how it refuses, and to the whole how callers say who they are."""
    for route in routes_of(app.routes):
        if not isinstance(route, GuardedRoute) or (scope := RULES[route.path_format].scope) is None:
            continue
        route.responses = {**documented(401, 403, 429), **route.responses}
        route.openapi_extra = {"security": [{"bearer": [scope]}, {"apiKey": [scope]}], **(route.openapi_extra or {})}
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        document["components"]["securitySchemes"] = SCHEMES
        return document

    app.openapi = described  # type: ignore[method-assign]
