"""The read API as an ASGI application: `uvicorn --factory serving_api.app:create_app`."""

import gc
import logging
import os
import random
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving_api import block_routes, list_routes, problems, routes
from serving_api.access.bound import BOUNDED, require_loopback_of_uvicorn, waits_for_ever
from serving_api.access.guard import Access, require_rules
from serving_api.access.hosts import HostMiddleware
from serving_api.access.openapi import describe_access
from serving_api.description import describe_common, method_name
from serving_api.errors import StoreUnavailableError
from serving_api.observe import scrape
from serving_api.observe.causes import text_of
from serving_api.observe.install import Observation
from serving_api.search import routes as search_routes
from serving_api.search.indexes import searching
from serving_api.settings import ServingSettings
from serving_api.store import ReleaseStore

API_VERSION = "1.0.0"
# Where a page of 20 items shrinks to a fifth; higher levels cost more time than they save bytes.
GZIP_LEVEL = 4
_log = logging.getLogger(__name__)
# Credentials are headers that pages set by themselves, so no cookie has to be let through.
_CORS: dict[str, Any] = {
    "allow_methods": ("GET", "HEAD", "POST", "PUT", "DELETE"),
    "allow_headers": ("Authorization", "X-API-Key", "If-None-Match", "Content-Type", problems.REQUEST_ID_HEADER),
    "expose_headers": ("ETag", "Retry-After", "RateLimit", "RateLimit-Policy", problems.REQUEST_ID_HEADER),
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def create_app(settings: ServingSettings | None = None) -> FastAPI:
    """Build the app; without settings, from the environment.

    It starts whether or not Redis answers: /readyz says what is missing.
    """
    serving = settings if settings is not None else ServingSettings()
    require_loopback_of_uvicorn(serving)
    observation = Observation(serving, API_VERSION)
    if waits_for_ever(sys.argv, os.environ):
        _log.warning("uvicorn waits for slow clients for ever, unless it is given --http %s", BOUNDED)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        access = app.state.access = Access(serving, serving.redis_address)
        await access.start()
        store = ReleaseStore(serving.redis_address, observation.metrics.batch_sizes.observe)
        app.state.store = store
        async with observation.running(app):
            # So that a process has a popular list to fall back to from its first request on.
            try:
                await store.live()
            except StoreUnavailableError as error:
                _log.warning("there is no release to fall back to yet: %s", text_of(error))
            async with searching(app, store):
                _collect_rarely()
                yield
        await store.close()
        await access.close()

    # FastAPI's own /docs loads Swagger UI from the internet; this one serves it from the wheel.
    app = FastAPIOffline(
        title="Audotics",
        summary="Music recommendations, precomputed, with where they come from.",
        version=API_VERSION,
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=method_name,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry=observation.telemetry,
    )
    _assemble(app, serving, observation)
    return app


def _assemble(app: FastAPI, serving: ServingSettings, observation: Observation) -> None:
    """Put errors, routes, the description and the middleware together; what is added later stands around the rest."""
    problems.install(app)
    lists = (list_routes.router, list_routes.batch_router)
    for router in (*lists, block_routes.router, search_routes.router, routes.router, scrape.router):
        app.include_router(router)
    app.add_middleware(GZipMiddleware, minimum_size=500, compresslevel=GZIP_LEVEL)
    app.add_middleware(HostMiddleware, settings=serving)
    require_rules(app)
    describe_access(app)
    describe_common(app)
    if serving.api_cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=serving.api_cors_origins, **_CORS)
    app.add_middleware(HeadMiddleware)
    observation.install(app)
    app.add_middleware(RequestIdMiddleware)


def _collect_rarely() -> None:
    """Keep the collector of cyclic garbage from walking through all that a process keeps once a second.

    It would hold up every hundredth request for 50 ms (docs/adr/0042-what-an-answer-costs.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


class HeadMiddleware:
    """Answers HEAD as GET is answered, without the body, whatever the route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send_without_body)
        finally:
            # For what stands around this one to see.
            scope["route"] = as_get.get("route")


class RequestIdMiddleware:
    """Gives every request an id, the caller's own if it is a plain word, and sends it back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(problems.REQUEST_ID_HEADER, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[problems.REQUEST_ID_HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
