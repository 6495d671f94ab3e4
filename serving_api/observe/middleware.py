"""Sees every request and its answer."""

from collections.abc import Callable
from time import perf_counter

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
        status = 500

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._note is not None:
                    self._note(scope)
            await send(message)

        started = perf_counter()
        try:
            await self._app(scope, receive, send_seen)
        except Exception as error:
            # Whoever stands around this one answers with 500.
            status = 500
            note_cause(scope, error)
            if self._note is not None:
                self._note(scope)
            raise
        finally:
            self._tell(answered(scope, status, perf_counter() - started))
