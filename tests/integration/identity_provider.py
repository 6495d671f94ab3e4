"""A set of keys over HTTP and tokens signed with them, good and bad ones, for the tests of who may call the API."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "audotics"


class SigningKey:
    """A private key under a key id."""

    def __init__(self, key_id: str, algorithm: str = "RS256") -> None:
        self.key_id, self.algorithm = key_id, algorithm
        self.private: RSAPrivateKey | EllipticCurvePrivateKey = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )

    @property
    def jwk(self) -> dict[str, Any]:
        public: Any = self.private.public_key()
        made: Any = ECAlgorithm if self.algorithm == "ES256" else RSAAlgorithm
        return made.to_jwk(public, as_dict=True) | {"kid": self.key_id, "use": "sig"}

    @property
    def private_jwk(self) -> dict[str, Any]:
        """The whole key, for a provider that signs by itself."""
        made: Any = ECAlgorithm if self.algorithm == "ES256" else RSAAlgorithm
        return made.to_jwk(self.private, as_dict=True) | {"kid": self.key_id, "use": "sig", "alg": self.algorithm}


class KeyServer:
    """Shows what `keys` holds as a provider would, counts how often, and may be silent."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.keys: list[dict[str, Any]] = []
        self.fetches = 0
        self.silent = False
        self.shown: Any = None
        """What is shown in place of the keys."""

    def settings(self, **more: Any) -> dict[str, Any]:
        """Those of an API that trusts this provider."""
        return {"api_auth": "oidc", "api_oidc_issuer": self.issuer, "api_oidc_audience": AUDIENCE} | more

    def token(self, key: SigningKey, subject: str = "user_7", **claims: Any) -> str:
        """A token for a minute; claims that are None are left out."""
        now = int(time.time())
        standard = {"iss": self.issuer, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 60}
        filled = {name: value for name, value in (standard | claims).items() if value is not None}
        return jwt.encode(filled, key.private, key.algorithm, {"kid": key.key_id})


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """A provider on a free loopback port, without keys yet."""

    class Shown(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if provider.silent:
                self.send_error(503)
                return
            shown: Any = {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/jwks"}
            if self.path == "/jwks":
                provider.fetches += 1
                shown = {"keys": provider.keys} if provider.shown is None else provider.shown
            body = json.dumps(shown).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Shown) as server:
        provider = KeyServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
