"""npm's `oidc-provider`, a certified OpenID provider, on loopback, and its users logging in."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from identity_provider import SigningKey
from npm_tools import installed

from tests.repository import ROOT

_SOURCE = ROOT / "tests" / "integration" / "oidc"
_CALLBACK = "http://127.0.0.1:1/callback"
# What tokens are for must be a URI here.
RESOURCE = "urn:audotics"


class CertifiedProvider:
    """The running provider."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def login(self, user: str, resource: str = RESOURCE) -> dict[str, Any]:
        """The tokens that an app gets once this user has logged in and agreed, by the authorization code flow."""
        app = {"client_id": "app", "redirect_uri": _CALLBACK, "resource": resource}
        with httpx.Client(base_url=self.issuer) as browser:
            answer = browser.get("/auth", params=app | {"response_type": "code", "scope": "openid"})
            for step in ({"prompt": "login", "login": user, "password": "any"}, {"prompt": "consent"}):
                answer = browser.post(answer.headers["location"], data=step)
                answer = browser.get(answer.headers["location"])
        code = httpx.URL(answer.headers["location"]).params["code"]
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": _CALLBACK, "resource": resource}
        return self._tokens("app", grant)

    def service(self, scope: str) -> str:
        """The token of a service, which is about no user."""
        grant = {"grant_type": "client_credentials", "scope": scope, "resource": RESOURCE}
        return str(self._tokens("backend", grant)["access_token"])

    def _tokens(self, client: str, grant: dict[str, str]) -> dict[str, Any]:
        answer = httpx.post(f"{self.issuer}/token", auth=(client, f"{client}-secret"), data=grant)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


@contextmanager
def certified_provider(port: int, *keys: SigningKey) -> Iterator[CertifiedProvider]:
    """The provider, signing with the first of the keys."""
    folder = installed(_SOURCE)
    with tempfile.TemporaryDirectory() as own:
        shown = Path(own) / "keys.json"
        shown.write_text(json.dumps({"keys": [key.private_jwk for key in keys]}))
        command = ["node", str(folder / "provider.mjs"), str(port), RESOURCE, str(shown)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        try:
            with process.stdout:
                while "listening" not in (line := process.stdout.readline()):
                    assert line, "the provider ended before it listened"
                yield CertifiedProvider(f"http://127.0.0.1:{port}")
        finally:
            process.kill()
            process.wait()
