"""The public keys of the identity provider: fetched, kept, fetched again when they may have changed."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from serving_api.access.errors import CannotTellError, WhoError

FETCH_TIMEOUT_SECONDS = 3.0
# Fetched again after that while the old ones go on, so that a key that the provider takes back ends here as well.
REFRESH_SECONDS = 300.0
MAX_DOCUMENT_BYTES = 1_000_000

# Which algorithms a kind of key may be used with, so that no key is taken for one of another kind.
_KINDS: dict[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
ASYMMETRIC = tuple(name for names in _KINDS.values() for name in names)
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}

_log = logging.getLogger(__name__)


class ProviderError(Exception):
    """What the provider answers cannot be used."""


class _PublicKey(NamedTuple):
    key_id: str | None
    keys: dict[str, PyJWK]
    """The key by the algorithm that it may be used with."""


class Provider:
    """Finds the key that a token says it is signed with.

    A key that is not known is looked for once more, at most every `refetch_seconds`, however many tokens name unknown
    ones. While the provider does not answer, the keys known go on; of others it cannot be told whether they are good.
    """

    def __init__(self, issuer: str, jwks_url: str | None, refetch_seconds: float, changed: Callable[[], None]) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._refetch_seconds = refetch_seconds
        self._changed = changed
        self._http = httpx.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=False)
        self._keys: list[_PublicKey] | None = None
        self._shown: Any = None
        self._tried_at = float("-inf")
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def keep_fresh(self) -> None:
        """Fetch the keys now and again, until cancelled."""
        while True:
            await self._fetch_once()
            await asyncio.sleep(self._refetch_seconds if self._failed else REFRESH_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def key(self, key_id: str | None, algorithm: str) -> PyJWK:
        """The key of this id for this algorithm. Raises WhoError where there is none, CannotTellError where that is
        not known.
        """
        found = self._known(key_id, algorithm)
        if found is None and (self._fetching or time.monotonic() - self._tried_at >= self._refetch_seconds):
            await self._fetch_once()
            found = self._known(key_id, algorithm)
        if found is not None:
            return found
        if self._keys is None or self._failed:
            raise CannotTellError("identity provider does not answer")
        raise WhoError("unknown signing key")

    def _known(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """The key, if it is known; a token that names none may be signed with the only one there is."""
        keys = self._keys or []
        fitting = [each for each in keys if algorithm in each.keys and key_id in (None, each.key_id)]
        return fitting[0].keys[algorithm] if len(fitting) == 1 else None

    async def _fetch_once(self) -> None:
        """Fetch the keys, or wait for the fetch under way; a caller that goes away does not end it."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        await asyncio.shield(self._fetching)

    def _fetched(self, task: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            if self._jwks_url is None:
                self._jwks_url = await self._discovered()
            shown = await self._document(self._jwks_url)
            keys = _usable(shown)
        except (httpx.HTTPError, httpx.InvalidURL, ProviderError) as error:
            if not self._failed:
                _log.warning("keys of the identity provider cannot be fetched, those known go on: %s", error)
            self._failed = True
            return
        self._failed = False
        if shown != self._shown:
            self._keys, self._shown = keys, shown
            self._changed()

    async def _discovered(self) -> str:
        document = await self._document(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if not isinstance(document, dict) or document.get("issuer") != self._issuer:
            raise ProviderError("the discovery document is of another issuer")
        url = document.get("jwks_uri")
        if not isinstance(url, str):
            raise ProviderError("the discovery document names no jwks_uri")
        if self._issuer.startswith("https://") and not url.startswith("https://"):
            raise ProviderError("the jwks_uri is not https")
        return url

    async def _document(self, url: str) -> Any:
        async with self._http.stream("GET", url) as answer:
            answer.raise_for_status()
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise ProviderError("the answer is larger than any set of keys")
        try:
            return httpx.Response(200, content=body).json()
        except ValueError as error:
            raise ProviderError("the answer is not JSON") from error


def _usable(document: Any) -> list[_PublicKey]:
    """The public keys for signatures of a set; what else is in it, such as a symmetric key, is left out."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ProviderError("the answer is not a set of keys")
    return [_public_key(each) for each in listed if isinstance(each, dict) and each.get("use", "sig") == "sig"]


def _public_key(jwk: dict[str, Any]) -> _PublicKey:
    kind, curve, declared = jwk.get("kty"), jwk.get("crv"), jwk.get("alg")
    keys = {}
    for algorithm in _KINDS.get(str(kind), ()):
        if declared in (None, algorithm) and _CURVES.get(algorithm, curve) == curve:
            try:
                keys[algorithm] = PyJWK(jwk, algorithm)
            except PyJWTError as error:
                _log.warning("a key of the identity provider cannot be used: %s", type(error).__name__)
    return _PublicKey(jwk.get("kid"), keys)
