"""Bearer tokens of an identity provider: verified once, then known by their digest until they expire."""

import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from serving_api.access.credentials import digest
from serving_api.access.errors import WhoError
from serving_api.access.provider import Provider
from serving_api.access.scopes import Caller, scopes_of
from serving_api.access.settings import AccessSettings

# A caller and a digest take some 500 bytes: 10 MB at most.
MAX_KNOWN_TOKENS = 20_000

# For the audit; callers are told only that the token is not valid.
_CAUSES: dict[type[PyJWTError], str] = {
    ExpiredSignatureError: "expired token",
    ImmatureSignatureError: "token not valid yet",
    InvalidAudienceError: "token for another audience",
    InvalidIssuerError: "token of another issuer",
    InvalidSignatureError: "wrong signature",
    MissingRequiredClaimError: "claim missing",
}


class _Known(NamedTuple):
    caller: Caller
    until: float


class Tokens:
    """Tells whose token it is. A token that was verified is known until it expires, or the provider's keys change."""

    def __init__(self, settings: AccessSettings) -> None:
        assert settings.api_oidc_issuer
        self._settings = settings
        self._skew = settings.api_oidc_clock_skew_seconds
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self.provider = Provider(
            settings.api_oidc_issuer,
            settings.api_oidc_jwks_url,
            settings.api_oidc_refetch_seconds,
            changed=self._known.clear,
        )

    def known(self, token: str) -> Caller | None:
        """Whose token it is, if that was found out before. Raises WhoError where it has expired since."""
        known = self._known.get(digest(token))
        if known is None:
            return None
        if time.time() >= known.until:
            raise WhoError("expired token")
        return known.caller

    async def verified(self, token: str) -> Caller:
        """Whose token it is, by its signature and claims. Raises WhoError, or CannotTellError."""
        try:
            header = jwt.get_unverified_header(token)
        # Of JSON that is nested a thousand times, the parser raises what no library expects.
        except (PyJWTError, ValueError, RecursionError) as error:
            raise WhoError("malformed token") from error
        algorithm, key_id = header.get("alg"), header.get("kid")
        # Before any key is chosen: the token's own word for its algorithm is only ever compared.
        if algorithm not in self._settings.api_oidc_algorithms:
            raise WhoError("algorithm not allowed")
        key = await self.provider.key(key_id, str(algorithm))
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[str(algorithm)],
                audience=self._settings.api_oidc_audience,
                issuer=self._settings.api_oidc_issuer,
                leeway=self._skew,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except PyJWTError as error:
            raise WhoError(_CAUSES.get(type(error), "token not valid")) from error
        caller = self._caller(claims)
        self._known[digest(token)] = _Known(caller, float(claims["exp"]) + self._skew)
        while len(self._known) > MAX_KNOWN_TOKENS:
            self._known.popitem(last=False)
        return caller

    def _caller(self, claims: dict[str, Any]) -> Caller:
        """Whoever the token is about: a listener, unless a scope or a role makes it more."""
        claim = self._settings.api_oidc_user_claim
        user_id = claims.get(claim)
        # A service's own token has its client id as its subject (RFC 9068), and somebody may be called like that.
        service = claim == "sub" and claims.get("client_id", claims.get("azp")) == user_id
        listener = user_id if isinstance(user_id, str) and user_id and not service else None
        roles = set(_words(claims.get(self._settings.api_oidc_roles_claim)))
        if listener is not None:
            roles.add("listener")
        return Caller(f"sub:{claims['sub']}", listener, scopes_of(_words(claims.get("scope")), roles))


def _words(claim: Any) -> Iterable[str]:
    """The words of a claim, which is a text with spaces or a list."""
    if isinstance(claim, str):
        return claim.split()
    return [each for each in claim if isinstance(each, str)] if isinstance(claim, list) else ()
