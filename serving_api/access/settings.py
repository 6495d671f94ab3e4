"""Settings of who may call the read API, from the environment (prefix AUDOTICS_)."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import limits
from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from serving_api.access.provider import ASYMMETRIC

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
EVERY_ADDRESS = ("0.0.0.0", "::")


def _separated(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_separated)]


class AccessSettings(BaseSettings):
    """Who may call, where from, under which names, and how often. What would be unsafe together is refused."""

    model_config = SettingsConfigDict(
        env_prefix="AUDOTICS_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    api_host: str = Field(default="127.0.0.1", description="Address to listen on.")
    api_auth: Literal["keys", "oidc", "both", "off"] = Field(default="keys", description="How callers are told apart.")
    api_allowed_hosts: Names = Field(default=(), description="Values of `Host` served beside loopback and the address.")
    api_oidc_issuer: str | None = Field(default=None, description="Who issues tokens, as their `iss` says it.")
    api_oidc_audience: str | None = Field(default=None, description="What tokens for this API have in `aud`.")
    api_oidc_jwks_url: str | None = Field(default=None, description="The issuer's keys; unset: by discovery.")
    api_oidc_algorithms: Names = Field(default=("RS256", "PS256", "ES256", "EdDSA"))
    api_oidc_user_claim: str = Field(default="sub", description="The claim that is the listener's user id.")
    api_oidc_roles_claim: str = Field(default="roles", description="The claim that lists roles.")
    api_oidc_clock_skew_seconds: float = Field(default=30.0, ge=0, le=300)
    api_oidc_refetch_seconds: float = Field(default=30.0, ge=1)
    api_rate_limit: str = Field(default="60000/minute", description="Requests of one key, or `off`.")
    api_listener_rate_limit: str = Field(default="600/minute", description="Requests of one listener, or `off`.")
    api_audit: str | None = Field(default=None, description="`stderr`, or the file that the audit is appended to.")
    api_tls_cert: Path | None = Field(default=None, description="Certificate chain, in PEM.")
    api_tls_key: Path | None = Field(default=None, description="Its private key, in PEM.")
    redis_ca: Path | None = Field(default=None, description="Who signs the certificate of a `rediss://` Redis, in PEM.")

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every value of `Host` that is served, in lower case and without a port."""
        own = () if self.api_host in EVERY_ADDRESS else (bracketed(self.api_host),)
        return tuple(name.lower() for name in (*LOOPBACK_NAMES, *own, *self.api_allowed_hosts))

    @field_validator("api_oidc_algorithms")
    @classmethod
    def _are_asymmetric(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or not set(names) <= set(ASYMMETRIC):
            raise ValueError(f"may name {', '.join(ASYMMETRIC)} only: no shared secrets, and never none")
        return names

    @field_validator("api_oidc_issuer", "api_oidc_jwks_url")
    @classmethod
    def _is_encrypted(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ValueError("must start with https://, or with http:// on loopback: its keys decide who is let in")
        return url

    @field_validator("api_rate_limit", "api_listener_rate_limit")
    @classmethod
    def _is_a_rate(cls, rate: str) -> str:
        if rate != "off":
            try:
                limits.parse(rate)
            except ValueError as error:
                raise ValueError("must be like 600/minute, or off") from error
        return rate

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if not self.api_host:
            raise ValueError("AUDOTICS_API_HOST is empty")
        if self.api_auth == "off":
            if not is_loopback(self.api_host):
                raise ValueError(
                    f"AUDOTICS_API_AUTH=off is for loopback only, and {self.api_host} is not a loopback address:"
                    " set AUDOTICS_API_AUTH=keys, oidc or both, or keep AUDOTICS_API_HOST=127.0.0.1"
                )
            if "*" in self.api_allowed_hosts:
                raise ValueError("AUDOTICS_API_AUTH=off and AUDOTICS_API_ALLOWED_HOSTS=* let any web page read lists")
        elif self.api_host in EVERY_ADDRESS and not self.api_allowed_hosts:
            raise ValueError(
                f"{self.api_host} is every address of this machine: say with AUDOTICS_API_ALLOWED_HOSTS under which"
                " names callers reach it, such as api.example.org"
            )
        if self.api_auth in ("oidc", "both") and not (self.api_oidc_issuer and self.api_oidc_audience):
            raise ValueError(
                f"AUDOTICS_API_AUTH={self.api_auth} needs AUDOTICS_API_OIDC_ISSUER and AUDOTICS_API_OIDC_AUDIENCE:"
                " without them, tokens made for others would open this API"
            )
        if (self.api_tls_cert is None) != (self.api_tls_key is None):
            raise ValueError("AUDOTICS_API_TLS_CERT and AUDOTICS_API_TLS_KEY belong together: set both or neither")
        for path in (self.api_tls_cert, self.api_tls_key, self.redis_ca):
            if path is not None and not path.is_file():
                raise ValueError(f"{path} is not a file")
        return self


def is_loopback(host: str) -> bool:
    """Whether an address, or the name localhost, can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """An address as URLs and `Host` have it."""
    return f"[{host}]" if ":" in host else host
