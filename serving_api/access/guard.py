"""What stands before every route: who calls, whether they may, how often; and afterwards the audit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any

import limits
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from redis.asyncio import Redis
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from serving_api.access import credentials
from serving_api.access.audit import Audit
from serving_api.access.errors import AccessError, CannotTellError, ForbiddenError, WhoError
from serving_api.access.key_ring import KeyRing
from serving_api.access.rate_limits import Limit, RateLimits, Standing
from serving_api.access.rules import OPEN_PAGES, RULES, Rule
from serving_api.access.scopes import ANYBODY, NOBODY, Caller
from serving_api.access.scopes import Scope as AccessScope
from serving_api.access.settings import AccessSettings
from serving_api.access.tokens import Tokens
from serving_api.redis_connections import notice_closed_connections

REDIS_TIMEOUT_SECONDS = 0.5
CANCEL_AGAIN_SECONDS = 0.1

_log = logging.getLogger(__name__)


class GuardedRoute(APIRoute):
    """A route that asks what the table of rules says of its path, after the router has decided which ids are in it.

    So that there is no second reading of a path that could see other ids than the endpoint does.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of whoever may."""
        if scope["method"] not in (self.methods or ()):
            # Which methods there are, anybody may know.
            await super().handle(scope, receive, send)
            return
        access: Access = scope["app"].state.access
        await access.serve(self.path_format, super().handle, scope, receive, send)


class Access:
    """Tells callers apart and lets them in, or raises AccessError. `start` it before the first request."""

    def __init__(self, settings: AccessSettings, redis_url: str) -> None:
        # Apart from the connections of requests, which these must not wait for.
        redis = self._redis = Redis.from_url(
            redis_url, socket_timeout=REDIS_TIMEOUT_SECONDS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS
        )
        notice_closed_connections(redis.connection_pool)
        self._off = settings.api_auth == "off"
        self._keys = KeyRing(redis) if settings.api_auth in ("keys", "both") else None
        self._tokens = Tokens(settings) if settings.api_auth in ("oidc", "both") else None
        self._limits = RateLimits(redis.connection_pool)
        self._services = _limit("service", settings.api_rate_limit)
        self._listeners = _limit("listener", settings.api_listener_rate_limit)
        self._audit = Audit(settings.api_audit) if settings.api_audit else None
        self._tasks: list[asyncio.Task[None]] = []
        self._stale = False

    async def start(self) -> None:
        """Read the keys, and go on reading them."""
        if self._off:
            return
        if self._keys:
            await self._keys.read()
            self._go_on(self._keys.keep_reading())
        if self._tokens:
            self._go_on(self._tokens.provider.keep_fresh())
        self._go_on(self._limits.keep_telling())

    async def close(self) -> None:
        """Tell Redis of the last hits, and close what is open."""
        await _end(self._tasks)
        await self._limits.tell()
        if self._tokens:
            await self._tokens.provider.close()
        if self._audit:
            self._audit.close()
        await self._redis.aclose()

    async def serve(
        self,
        route: str,
        handle: Callable[[Scope, Receive, Send], Awaitable[None]],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Let a request of this route in to `handle`. Raises AccessError."""
        rule = RULES[route]
        state = scope["state"]
        state["caller"] = NOBODY
        if rule.scope is None:
            if rule.details is not None:
                state["caller"] = await self._known_caller(scope)
            await handle(scope, receive, send)
            return
        if self._off and not self._audit:
            state["caller"] = ANYBODY
            await handle(scope, receive, send)
            return
        entry = _Entry(route, scope, send, private=not self._off)
        try:
            caller = state["caller"] = ANYBODY if self._off else await self._caller(scope)
            entry.standing = self._hit(caller)
            _permit(rule, caller, scope["path_params"])
            entry.outcome = "allowed"
            await handle(scope, receive, entry.send)
        except AccessError as error:
            entry.outcome, entry.cause, entry.status = "refused", error.cause, error.status
            raise
        finally:
            if self._audit:
                entry.write(self._audit)

    async def _caller(self, scope: Scope) -> Caller:
        shown = credentials.shown(scope)
        if shown is None:
            raise WhoError("missing")
        if self._stale:
            raise CannotTellError("not read any more")
        if shown.startswith(credentials.KEY_PREFIX):
            if self._keys is None:
                raise WhoError("no keys here")
            return self._keys.caller(shown)
        if self._tokens is None:
            raise WhoError("no tokens here")
        return self._tokens.known(shown) or await self._tokens.verified(shown)

    async def _known_caller(self, scope: Scope) -> Caller:
        """Who calls, where it makes no difference to be nobody."""
        if self._off:
            return ANYBODY
        try:
            return await self._caller(scope)
        except AccessError:
            return NOBODY

    def _hit(self, caller: Caller) -> Standing | None:
        if self._off:
            return None
        service = caller.user_id is None or AccessScope.LISTS_READ in caller.scopes
        limit = self._services if service else self._listeners
        return self._limits.hit(caller.who, limit) if limit else None

    def _go_on(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nobody is let in on what is not kept up to date: a revoked key would be good for ever."""
        if not task.cancelled():
            _log.critical("what callers are told apart by is not read any more: restart", exc_info=task.exception())
            self._stale = True


class _Entry:
    """What the audit says of a request, and its rate limit in the headers of the answer."""

    def __init__(self, route: str, scope: Scope, send: Send, *, private: bool) -> None:
        self._route = route
        self._scope = scope
        self._send = send
        self._private = private
        self.standing: Standing | None = None
        # Of a request that ends in an error that nobody expected.
        self.status = 500
        self.outcome = "failed"
        self.cause: str | None = None

    async def send(self, message: Message) -> None:
        """Pass on what is answered."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.standing is not None:
                message["headers"].extend(self.standing.headers)
            if self._private:
                _keep_private(message["headers"])
        await self._send(message)

    def write(self, audit: Audit) -> None:
        """Write who asked for whose list, and what came of it."""
        state = self._scope["state"]
        audit.write(
            who=state["caller"].who,
            whose=self._scope["path_params"].get("user_id") or state.get("whose"),
            method=self._scope["method"],
            route=self._route,
            outcome=self.outcome,
            cause=self.cause,
            status=self.status,
            request_id=state["request_id"],
        )


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks that ask Redis again and again, and wait until they have ended.

    Cancelled once, one might go on for ever, and the process with it: its client sends each command through
    `asyncio.wait_for`, which before Python 3.12 drops a cancellation that comes just as the command is sent.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)


def may(request: Request, scope: AccessScope) -> bool:
    """Whether the caller of a request has a scope."""
    caller: Caller = request.state.caller
    return scope in caller.scopes


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Routes, with those of the routers that are included."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from routes_of(included.routes)


def require_rules(app: FastAPI) -> None:
    """Raise ValueError for a route that asks nobody who they are, and for a rule without a route."""
    unused = set(RULES)
    for route in routes_of(app.routes):
        path = getattr(route, "path_format", None)
        if isinstance(route, GuardedRoute) and path in RULES:
            unused.discard(path)
        elif path not in OPEN_PAGES:
            raise ValueError(f"the route {path} is not a GuardedRoute with a rule in serving_api/access/rules.py")
    if unused:
        raise ValueError(f"there is no route for the rules of {', '.join(sorted(unused))}")


def _permit(rule: Rule, caller: Caller, path_params: dict[str, Any]) -> None:
    if rule.scope in caller.scopes:
        return
    if rule.own and caller.user_id is not None and path_params["user_id"] == caller.user_id:
        return
    assert rule.scope is not None
    raise ForbiddenError(rule.scope, own=rule.own)


def _keep_private(headers: list[tuple[bytes, bytes]]) -> None:
    """What only some may read must not be kept by a cache that serves all."""
    for place, (name, value) in enumerate(headers):
        if name == b"cache-control" and value.startswith(b"public"):
            headers[place] = (name, value.replace(b"public", b"private", 1))


def _limit(name: str, rate: str) -> Limit | None:
    return Limit(name, limits.parse(rate)) if rate != "off" else None
