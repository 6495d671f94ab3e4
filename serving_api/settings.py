"""Settings of the read API, from the environment (prefix AUDOTICS_)."""

import ipaddress
import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_ORIGIN = re.compile(r"https?://[^/\s,]+")


class ServingSettings(BaseSettings):
    """What the read API needs to know: where Redis is and where to listen."""

    model_config = SettingsConfigDict(
        env_prefix="AUDOTICS_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    redis_url: str = Field(
        default=..., description="The Redis that releases are published to, as redis://:password@host:port/0."
    )
    api_host: str = Field(default="127.0.0.1", description="Loopback address to listen on.")
    api_port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")

    api_cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, separated by commas, such as"
        " https://app.example.org; `*` for all.",
    )

    @field_validator("api_cors_origins", mode="before")
    @classmethod
    def _separated_by_commas(cls, origins: str | tuple[str, ...]) -> tuple[str, ...]:
        given = origins.split(",") if isinstance(origins, str) else origins
        stripped = tuple(origin.strip().rstrip("/") for origin in given if origin.strip())
        for origin in stripped:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin such as https://app.example.org")
        return stripped

    @field_validator("redis_url")
    @classmethod
    def _is_a_redis_url(cls, url: str) -> str:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return url

    @field_validator("api_host")
    @classmethod
    def _is_loopback(cls, host: str) -> str:
        # Anyone who reaches the port can read every user's lists, so other machines must not reach it.
        if host != "localhost" and not _is_loopback_address(host):
            raise ValueError(
                f"{host} is not a loopback address, and this API does not ask who is calling;"
                " keep 127.0.0.1 and put a proxy with authentication in front of it"
            )
        return host


def _is_loopback_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
