"""Settings of the read API, from the environment (prefix AUDOTICS_)."""

import ipaddress

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


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
