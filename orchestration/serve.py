"""The read API alone: of the Redis that is configured, or the embedded one, which is started if need be."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from assets.publish.content import ReleaseError
from assets.publish.held import list_releases
from orchestration.processes import require_free_port
from serving_api.server import serve
from serving_api.settings import ServingSettings
from warehouse.connections import address
from warehouse.errors import AudoticsError
from warehouse.local.servers import ensure_redis
from warehouse.redis_client import redis_client
from warehouse.settings import Settings, load_settings


def serve_alone(host: str | None, port: int | None, say: Callable[[str], None]) -> None:
    """Say what is served and where, and serve it until Ctrl-C.

    host, port: in place of those of the settings. Raises AudoticsError for settings that cannot be used, and for a port
    that is taken.
    """
    settings = load_settings()
    chosen: dict[str, Any] = {"api_host": host, "api_port": port}
    given = {name: value for name, value in chosen.items() if value is not None}
    try:
        serving = ServingSettings(redis_url=ensure_redis(settings), **given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        variable = f"AUDOTICS_{first['loc'][0]}".upper() if first["loc"] else "the settings of the read API"
        raise AudoticsError(f"{variable} cannot be used: {first['msg'].removeprefix('Value error, ')}") from error
    if serving.api_host in ("127.0.0.1", "localhost") and serving.api_port:
        require_free_port(serving.api_port, "--port")
    scheme = "https" if serving.api_tls_cert is not None else "http"
    say(
        f"{_served(serving, settings)}, from Redis at {address(serving.redis_url, 6379)}, on {scheme}://{serving.api_host}:{serving.api_port};"
        f" who calls: {_WHO[serving.api_auth]}; Ctrl-C stops it"
    )
    serve(serving)


def _served(serving: ServingSettings, settings: Settings) -> str:
    """What the API begins with; it starts whatever there is, and follows what is published."""
    try:
        with redis_client(serving.redis_address, settings.redis_timeout_seconds) as client:
            live = next((each for each in list_releases(client) if each.status == "live"), None)
    except ReleaseError as error:
        return f"nothing yet ({error})"
    if live is None:
        return "nothing yet (no release has been published)"
    return (
        f"release {live.release}"
        if live.fault is None
        else f"release {live.release}, which is unreadable: {live.fault}"
    )


_WHO = {
    "off": "nobody is asked",
    "keys": "who has an API key (`audotics keys create`)",
    "oidc": "who has a token",
    "both": "who has an API key or a token",
}
