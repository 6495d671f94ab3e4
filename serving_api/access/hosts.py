"""What is refused whatever the route: other hosts, oversized headers and bodies, addresses that must not be reached."""

import logging
import re

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving_api.access.errors import AccessError, HostError, OversizedError
from serving_api.access.settings import AccessSettings, is_loopback
from serving_api.problems import refusal

MAX_HEADER_BYTES = 32_768
# More than any body that is valid, unless it escapes what need not be.
MAX_BODY_BYTES = 2 * 1024 * 1024
_MAX_REMEMBERED = 1_000
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:@/\s]+)(?::\d+)?")

_log = logging.getLogger(__name__)


class HostMiddleware:
    """Serves the hosts that the settings name, so that no page of another site reads lists by DNS rebinding.

    Without authentication it serves connections to loopback addresses only, whatever started the app on which address.
    """

    def __init__(self, app: ASGIApp, settings: AccessSettings) -> None:
        self._app = app
        self._hosts = frozenset(name for name in settings.hosts if not name.startswith("*."))
        self._endings = tuple(name[1:] for name in settings.hosts if name.startswith("*."))
        self._loopback_only = settings.api_auth == "off"
        # What clients send is nearly always the same few values.
        self._served: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            try:
                self._require(scope)
            except AccessError as error:
                await refusal(scope, error)(scope, receive, send)
                return
            receive = _limited(receive)
        await self._app(scope, receive, send)

    def _require(self, scope: Scope) -> None:
        """Raise AccessError for what is not to be served."""
        hosts, size = [], len(scope.get("raw_path", b"")) + len(scope.get("query_string", b""))
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"host":
                hosts.append(value)
        if size > MAX_HEADER_BYTES:
            raise OversizedError(f"at most {MAX_HEADER_BYTES} bytes are read", "oversized headers")
        if self._loopback_only:
            server = scope.get("server")
            if server is None or not is_loopback(server[0]):
                _log.error(
                    "a request was refused: AUDOTICS_API_AUTH=off is for loopback only, and this server listens on %s;"
                    " bind it to 127.0.0.1, or set AUDOTICS_API_AUTH=keys, oidc or both",
                    server[0] if server else "another kind of address",
                )
                raise HostError("this API is for the machine it runs on", "not loopback")
        if len(hosts) != 1 or (hosts[0] not in self._served and not self._serves(hosts[0])):
            raise HostError("send the `Host` under which this API is known", "host")

    def _serves(self, header: bytes) -> bool:
        parts = _HOST.fullmatch(header.decode("latin-1").lower())
        if parts is None:
            return False
        name = parts[1].removesuffix(".")
        served = name in self._hosts or "*" in self._hosts or name.endswith(self._endings)
        if served and len(self._served) < _MAX_REMEMBERED:
            self._served.add(header)
        return served


def _limited(receive: Receive) -> Receive:
    """Receive a body, which is read by the routes that have one, up to MAX_BODY_BYTES; then it raises HTTPException.

    Starlette's own limit answers in plain text, and in place of whatever else would be answered.
    """
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise HTTPException(413, f"at most {MAX_BODY_BYTES} bytes are read")
        return message

    return receive_limited
