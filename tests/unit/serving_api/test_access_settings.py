"""Settings that would let in who should not be refuse to be loaded, and say what to do."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from serving_api.app import create_app
from serving_api.settings import ServingSettings

OIDC = {"api_auth": "oidc", "api_oidc_issuer": "https://login.example.org", "api_oidc_audience": "audotics"}


def settings(**given: Any) -> ServingSettings:
    return ServingSettings(**{"redis_url": "redis://127.0.0.1/0"} | given)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", "::ffff:10.0.0.1"])
def test_off_is_for_loopback_only(host: str) -> None:
    with pytest.raises(ValidationError, match="AUDOTICS_API_AUTH=off is for loopback only"):
        settings(api_auth="off", api_host=host)


def test_who_asks_for_nothing_gets_keys() -> None:
    assert settings().api_auth == "keys"


def test_with_keys_other_addresses_are_allowed_under_names() -> None:
    assert "192.168.1.5" in settings(api_host="192.168.1.5").hosts
    assert "[fd00::1]" in settings(api_host="fd00::1").hosts
    named = settings(api_host="0.0.0.0", api_allowed_hosts="API.example.org, *.example.net")
    assert {"api.example.org", "*.example.net", "localhost"} < set(named.hosts)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"api_auth": "none"}, "keys"),
        ({"api_host": ""}, "AUDOTICS_API_HOST is empty"),
        ({"api_host": "0.0.0.0"}, "AUDOTICS_API_ALLOWED_HOSTS"),
        ({"api_host": "::"}, "AUDOTICS_API_ALLOWED_HOSTS"),
        ({"api_auth": "off", "api_allowed_hosts": "*"}, "any web page"),
        ({"api_auth": "off", "api_cors_origins": "*"}, "any web page"),
        ({"api_auth": "oidc"}, "AUDOTICS_API_OIDC_ISSUER"),
        ({"api_auth": "both", "api_oidc_issuer": "https://login.example.org"}, "AUDOTICS_API_OIDC_AUDIENCE"),
        (OIDC | {"api_oidc_issuer": "http://login.example.org"}, "https://"),
        (OIDC | {"api_oidc_issuer": "ftp://127.0.0.1"}, "https://"),
        (OIDC | {"api_oidc_jwks_url": "http://10.0.0.1/jwks"}, "https://"),
        (OIDC | {"api_oidc_jwks_url": "file:///etc/passwd"}, "https://"),
        (OIDC | {"api_oidc_algorithms": "RS256,HS256"}, "no shared secrets"),
        (OIDC | {"api_oidc_algorithms": "none"}, "never none"),
        (OIDC | {"api_oidc_algorithms": ","}, "may name"),
        (OIDC | {"api_oidc_clock_skew_seconds": 3600}, "less than or equal to 300"),
        ({"api_rate_limit": "many"}, "600/minute"),
        ({"api_tls_cert": Path(__file__)}, "belong together"),
        ({"api_tls_cert": Path("/none.pem"), "api_tls_key": Path("/none.pem")}, "is not a file"),
        ({"redis_ca": Path("/none.pem")}, "is not a file"),
    ],
)
def test_what_would_be_unsafe_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**given)


def test_the_factory_refuses_what_the_settings_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDOTICS_REDIS_URL", "redis://127.0.0.1/0")
    monkeypatch.setenv("AUDOTICS_API_AUTH", "off")
    monkeypatch.setenv("AUDOTICS_API_HOST", "0.0.0.0")
    with pytest.raises(ValidationError, match="for loopback only"):
        create_app()


def test_who_signs_the_certificate_of_redis_goes_into_its_address(tmp_path: Path) -> None:
    ca = tmp_path / "ca & co.pem"
    ca.touch()
    given = settings(redis_url="rediss://h:1/0?health_check_interval=5", redis_ca=ca)
    assert given.redis_address.startswith("rediss://h:1/0?health_check_interval=5&ssl_ca_certs=")
    assert " " not in given.redis_address and "& co" not in given.redis_address
    assert settings(redis_url=given.redis_address, redis_ca=ca).redis_address == given.redis_address
