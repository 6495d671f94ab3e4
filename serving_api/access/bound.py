"""Where uvicorn was told to listen, and by what protocol, which it does not tell the apps that it starts."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving_api.access.settings import AccessSettings, is_loopback

BOUNDED = "serving_api.connections:BoundedProtocol"


def require_loopback_of_uvicorn(settings: AccessSettings) -> None:
    """Raise ValueError where uvicorn's command line would show an API that asks nobody who they are to others.

    Another server may start the app as well: requests are compared with the address they come in on (`hosts.py`).
    """
    host = told_host(sys.argv, os.environ)
    if settings.api_auth == "off" and host is not None and not is_loopback(host):
        raise ValueError(
            f"AUDOTICS_API_AUTH=off is for loopback only, and uvicorn was told to listen on {host}:"
            " set AUDOTICS_API_AUTH=keys, oidc or both, or give it --host 127.0.0.1"
        )


def waits_for_ever(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether uvicorn was started without the protocol that closes slow connections (`serving_api/connections.py`)."""
    given = " ".join([*arguments[1:], environment.get("UVICORN_HTTP", "")])
    return _is_uvicorn(arguments) and BOUNDED not in given


def told_host(arguments: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """The address or socket that uvicorn's arguments name; None where they name none, or belong to another program."""
    given = arguments[1:]
    if not _is_uvicorn(arguments):
        return None
    found: dict[str, str] = {
        name: environment[f"UVICORN_{name.upper()}"]
        for name in ("host", "uds", "fd")
        if environment.get(f"UVICORN_{name.upper()}")
    }
    for argument, following in zip(given, [*given[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in ("--host", "--uds", "--fd"):
            found[name[2:]] = value if equals else following
    # A socket that was inherited or lies in the file system may be anybody's way in.
    return found.get("fd") or found.get("uds") or found.get("host")


def _is_uvicorn(arguments: Sequence[str]) -> bool:
    program = Path(arguments[0])
    return program.name == "uvicorn" or program.parts[-2:] == ("uvicorn", "__main__.py")
