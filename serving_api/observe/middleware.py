"""Sees every request and its answer."""

from collections.abc import Callable
from time import perf_counter
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving_api.observe.lines import REQUEST_ID
from serving_api.observe.noted import note_cause
from serving_api.observe.seen import Answered, answered


class ObserveMiddleware:
    """Tells `tell` of each request once it is answered, and `note` of its scope when the answer begins.

    The request has its id already.
    """

    def __init__(
        self, app: ASGIApp, tell: Callable[[Answered], None], note: Callable[[Scope], None] | None = None
    ) -> None:
        self._app = app
        self._tell = tell
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        REQUEST_ID.set(scope["state"]["request_id"])
        with _Request(scope, self._tell, self._note) as request:

            async def send_seen(message: Message) -> None:
                if message["type"] == "http.response.start":
                    request.begins(message["status"])
                await send(message)

            await self._app(scope, receive, send_seen)


class _Request:
    """A request while it is answered, told of at the end, however that comes."""

    def __init__(self, scope: Scope, tell: Callable[[Answered], None], note: Callable[[Scope], None] | None) -> None:
        self._scope = scope
        self._tell = tell
        self._note = note
        # Of an answer that never began.
        self._status = 500

    def begins(self, status: int) -> None:
        """The answer begins, with this status."""
        self._status = status
        if self._note is not None:
            self._note(self._scope)

    def __enter__(self) -> Self:
        self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Whoever stands around the app answers an error with 500; a request that is given up is none.
        if isinstance(error, Exception):
            note_cause(self._scope, error)
            self.begins(500)
        self._tell(answered(self._scope, self._status, perf_counter() - self._started))
