"""Settings of the read API, from the environment (prefix AUDOTICS_)."""

import re
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from serving_api.access.settings import AccessSettings

_ORIGIN = re.compile(r"https?://[^/\s,]+")


class ServingSettings(AccessSettings):
    """What the read API needs to know: where Redis is, where to listen, and who may call."""

    redis_url: str = Field(
        default=..., description="The Redis that releases are published to, as redis://:password@host:port/0."
    )
    api_port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")

    api_cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, separated by commas, such as"
        " https://app.example.org; `*` for all.",
    )

    api_traces_url: str | None = Field(
        default=None, description="Where an OpenTelemetry collector takes traces over HTTP; none are made without."
    )
    api_sentry_dsn: SecretStr | None = Field(
        default=None, description="The Sentry that unexpected errors are sent to; none are sent without."
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

    @model_validator(mode="after")
    def _is_closed_to_pages(self) -> Self:
        if self.api_auth == "off" and "*" in self.api_cors_origins:
            raise ValueError("AUDOTICS_API_AUTH=off and AUDOTICS_API_CORS_ORIGINS=* let any web page read lists")
        return self

    @property
    def redis_address(self) -> str:
        """The URL of Redis with who signs its certificate."""
        if self.redis_ca is None or "ssl_ca_certs=" in self.redis_url:
            return self.redis_url
        return f"{self.redis_url}{'&' if '?' in self.redis_url else '?'}ssl_ca_certs={quote(str(self.redis_ca))}"

    @field_validator("redis_url")
    @classmethod
    def _is_a_redis_url(cls, url: str) -> str:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return url

    @field_validator("api_traces_url", "api_sentry_dsn")
    @classmethod
    def _is_an_http_url(cls, url: str | SecretStr | None) -> str | SecretStr | None:
        told = url.get_secret_value() if isinstance(url, SecretStr) else url
        if told is not None and not told.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return url
