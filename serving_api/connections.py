"""What one connection may send and how long it may take: uvicorn itself waits for ever, for heads of any length."""

import heapq
import logging
import random
import resource
from asyncio import Transport
from functools import cache
from typing import Any, ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# A request has this long to arrive, and an answer to be taken; what is late is noticed within as long again.
CLIENT_SECONDS = 10.0
# Request line and headers. The app refuses less, with an answer that says so.
MAX_HEAD_BYTES = 131_072
# All of a request, with the body that the app refuses and nobody reads, chunk sizes and trailers.
MAX_REQUEST_BYTES = 16 * 1024 * 1024
_MOST_CONNECTIONS = 4000
_TELL_AGAIN_SECONDS = 60.0

_log = logging.getLogger(__name__)


@cache
def most_connections() -> int:
    """How many connections are kept at once: three quarters of the files that this process may open, 4,000 at most."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(_MOST_CONNECTIONS, open_files * 3 // 4) if open_files > 0 else _MOST_CONNECTIONS


class BoundedProtocol(HttpToolsProtocol):
    """A connection that is closed where the client keeps the server waiting, sends too much or reads too slowly.

    When there are too many, those that have waited for their clients longest make room for new ones. To use it:
    `uvicorn --http serving_api.connections:BoundedProtocol`.
    """

    _told_at: ClassVar[float] = -_TELL_AGAIN_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of the request that arrives: how much there is of it, and what of it is not there yet.
        self._received = 0
        self._in_head = True
        self._whole = False
        # What tells one request from the next.
        self._number = 0
        self._late: int | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._waits_since = self.loop.time()
        self._check = self.loop.call_later(CLIENT_SECONDS, self._close_if_late)
        if len(self.connections) > most_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless that is more than any request needs."""
        if self.transport.is_closing():
            return
        self._received += len(data)
        super().data_received(data)
        if self._received > (MAX_HEAD_BYTES if self._in_head else MAX_REQUEST_BYTES):
            self._close("sent too much")

    def on_message_begin(self) -> None:
        """A request begins; what came with its first bytes of the one before, or follows, is at most one read."""
        super().on_message_begin()
        self._number += 1
        self._received = 0
        self._in_head, self._whole = True, False

    def on_headers_complete(self) -> None:
        """The head is there: the app is called."""
        self._in_head = False
        super().on_headers_complete()
        # The parser tells of trailers as of headers, and the app may not have begun to read its own.
        self.headers = []

    def on_message_complete(self) -> None:
        """The request is there as a whole."""
        self._whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is the client's turn again."""
        self._waits_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, as every error is answered, and close."""
        request_id = f"{random.getrandbits(128):032x}"
        problem = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": msg, "instance": ""}
        body = orjson.dumps(problem | {"request_id": request_id})
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n"
            f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _should_upgrade(self) -> bool:
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: whoever asks for another protocol is answered in this one."""

    def _waits(self) -> bool:
        """Whether it is the client's turn. One that is idle between requests is uvicorn's to close, sooner."""
        if not self._whole or self.transport.get_write_buffer_size() > 0:
            return True
        return self.cycle.response_complete and self.timeout_keep_alive_task is None

    def _close_if_late(self) -> None:
        waits = self._waits()
        if waits and self._late == self._number:
            self._close("kept it waiting")
            return
        self._late = self._number if waits else None
        self._check = self.loop.call_later(CLIENT_SECONDS, self._close_if_late)

    def _make_room(self) -> None:
        """Close the tenth that waits longest, idle ones too; where all others are being answered, this one."""
        others = [each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self]
        waiting = [each for each in others if each._waits() or each.cycle.response_complete]
        oldest = heapq.nsmallest(max(1, most_connections() // 10), waiting, key=lambda each: each._waits_since)
        for each in oldest or [self]:
            each._close("were the oldest of too many")

    def _close(self, why: str) -> None:
        self.transport.abort()
        now = self.loop.time()
        if now - BoundedProtocol._told_at >= _TELL_AGAIN_SECONDS:
            BoundedProtocol._told_at = now
            _log.warning("a connection was closed, of clients that %s; others like it are not told for a minute", why)
