"""Runs the read API until it is told to stop."""

from typing import Any

import uvicorn

from serving_api.app import create_app
from serving_api.connections import BoundedProtocol
from serving_api.settings import ServingSettings

# Nothing here reads what proxies add or speaks WebSocket, and nobody need know which server it is.
SERVER: dict[str, Any] = {"http": BoundedProtocol, "ws": "none", "proxy_headers": False, "server_header": False}


def serve(settings: ServingSettings) -> None:
    """Serve on the address of the settings, until SIGINT or SIGTERM."""
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        ssl_certfile=settings.api_tls_cert,
        ssl_keyfile=settings.api_tls_key,
        log_config=None,
        **SERVER,
    )
