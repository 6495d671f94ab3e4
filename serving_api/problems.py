"""Every error as an RFC 9457 problem document."""

from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Scope

from serving_api.access.errors import AccessError, ForbiddenError, TooManyError, WhoError
from serving_api.access.guard import routes_of
from serving_api.description import PROBLEM
from serving_api.errors import (
    ReleaseGoneError,
    StoreUnavailableError,
    TooManyChangesError,
    UnknownItemError,
    UnknownTrackError,
)
from serving_api.observe.noted import note_cause

MEDIA_TYPE = "application/problem+json"
REQUEST_ID_HEADER = "X-Request-ID"
RETRY_AFTER_SECONDS = "5"
INVALID_SLUG = "invalid-request"
INVALID_TITLE = "The request is not valid"
# Of what is wrong with a request: how many faults are told, and how much of names and values that it gave itself.
MOST_FAULTS = 20
LONGEST_TOLD = 300
INTERNAL_DETAIL = "the request failed on our side; the server log names it by its request id"


def install(app: FastAPI) -> None:
    """Make the app answer every error with a problem document."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(UnknownItemError, _unknown_item)
    app.add_exception_handler(ReleaseGoneError, _release_gone)
    app.add_exception_handler(TooManyChangesError, _too_many_changes)
    app.add_exception_handler(StoreUnavailableError, _store_unavailable)
    app.add_exception_handler(AccessError, _refused)
    app.add_exception_handler(Exception, _internal_error)


def documented(*statuses: int, unknown: type[UnknownItemError] = UnknownTrackError) -> dict[int | str, dict[str, Any]]:
    """The `responses` argument of a route: these statuses, each with the problem schema and an example.

    `unknown` is what the route raises for an id that there is not.
    """
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                MEDIA_TYPE: {
                    "schema": PROBLEM,
                    "example": _example(status, unknown),
                }
            },
        }
        for status in statuses
    }


def _example(status: int, unknown: type[UnknownItemError]) -> dict[str, Any]:
    slug, title, detail = {
        401: _told(WhoError("missing")),
        403: _told(ForbiddenError("lists:read", own=True)),
        404: (unknown.slug, unknown.title, str(unknown(f"{unknown.item[0]}-1"))),
        409: (TooManyChangesError.slug, TooManyChangesError.title, str(TooManyChangesError())),
        410: (ReleaseGoneError.slug, ReleaseGoneError.title, str(ReleaseGoneError("2026-11-20-5c1d77e2"))),
        422: (INVALID_SLUG, INVALID_TITLE, "query.limit: Input should be greater than or equal to 1"),
        429: _told(TooManyError(42, {})),
        500: (None, HTTPStatus(500).phrase, INTERNAL_DETAIL),
        503: (StoreUnavailableError.slug, StoreUnavailableError.title, StoreUnavailableError.detail),
    }[status]
    return {
        "type": _urn(slug),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "/v1/popular",
        "request_id": "5f0c1e0a9d7b4f6f8a3e2b1c0d9e8f7a",
    }


def _told(error: AccessError) -> tuple[str, str, str]:
    return error.slug, error.title, str(error)


def _urn(slug: str | None) -> str:
    """A URN for our own kinds of problem; what the status alone explains has the type `about:blank`."""
    return f"urn:audotics:problem:{slug}" if slug else "about:blank"


def _problem(
    request: Request,
    status: int,
    detail: str,
    *,
    slug: str | None = None,
    title: str | None = None,
    headers: dict[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    document = {
        "type": _urn(slug),
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.scope["path"],
        "request_id": request.state.request_id,
    }
    if errors is not None:
        document["errors"] = errors
    # The header is set here as well because the 500 is sent from outside the request-id middleware.
    sent_headers = {
        "Cache-Control": "no-store",
        REQUEST_ID_HEADER: request.state.request_id,
        **(headers or {}),
    }
    return Response(orjson.dumps(document), status, sent_headers, MEDIA_TYPE)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed(request)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": headers["Allow"], "Cache-Control": "no-store"})
    detail = {
        404: "there is nothing at this path; /docs lists what there is",
        405: f"{request.method} is not allowed here",
    }.get(error.status_code, error.detail)
    return _problem(request, error.status_code, detail, headers=headers)


def _allowed(request: Request) -> str:
    """The methods of a path, whatever route each has, with those that every path has."""
    routed = {
        method
        for route in routes_of(request.app.routes)
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
    return ", ".join(sorted(routed | {"OPTIONS"} | ({"HEAD"} if "GET" in routed else set())))


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    errors = [
        {"field": _short(".".join(str(part) for part in fault["loc"])), "message": _short(_message(request, fault))}
        for fault in faults[:MOST_FAULTS]
    ]
    told = [f"{fault['field']}: {fault['message']}" for fault in errors]
    detail = "; ".join(told if len(faults) <= MOST_FAULTS else [*told, f"and {len(faults) - MOST_FAULTS} more"])
    return _problem(request, 422, detail, slug=INVALID_SLUG, title=INVALID_TITLE, errors=errors)


def _message(request: Request, fault: dict[str, Any]) -> str:
    """What is wrong, as pydantic says it, but for its own words around it."""
    sent = request.headers.get("content-type", "nothing")
    if fault["type"] == "model_attributes_type" and not sent.startswith("application/json"):
        return f"send it as `Content-Type: application/json`, not {sent}"
    return str(fault["msg"]).removeprefix("Value error, ")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TOLD else f"{text[: LONGEST_TOLD - 1]}…"


async def _unknown_item(request: Request, error: Exception) -> Response:
    assert isinstance(error, UnknownItemError)
    return _problem(request, 404, str(error), slug=error.slug, title=error.title)


async def _release_gone(request: Request, error: Exception) -> Response:
    assert isinstance(error, ReleaseGoneError)
    return _problem(request, 410, str(error), slug=error.slug, title=error.title)


async def _too_many_changes(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooManyChangesError)
    return _problem(request, 409, str(error), slug=error.slug, title=error.title)


async def _store_unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreUnavailableError)
    note_cause(request.scope, error)
    headers = {"Retry-After": RETRY_AFTER_SECONDS}
    return _problem(request, 503, error.detail, slug=error.slug, title=error.title, headers=headers)


def refusal(scope: Scope, error: AccessError) -> Response:
    """The answer to a request that is not let in."""
    if error.status >= 500:
        note_cause(scope, error)
    return _problem(Request(scope), error.status, str(error), slug=error.slug, title=error.title, headers=error.headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AccessError)
    return refusal(request.scope, error)


async def _internal_error(request: Request, error: Exception) -> Response:
    # The server drops the connection after an error it did not expect; a client must not send more on it.
    return _problem(request, 500, INTERNAL_DETAIL, headers={"Connection": "close"})
