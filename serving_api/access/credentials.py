"""What a request shows of who sends it, and how API keys are made and told."""

import hashlib
import secrets

from starlette.types import Scope

from serving_api.access.errors import ManyCredentialsError, WhoError

KEY_PREFIX = "aud_"
# What is longer is neither a key nor a token of any provider in use, and is not examined.
MAX_CREDENTIAL_LENGTH = 8192


def shown(scope: Scope) -> str | None:
    """The key or token of a request: `Authorization: Bearer ...` or `X-API-Key: ...`; None where there is none.

    Raises ManyCredentialsError, and WhoError for what can be neither.
    """
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, credential = value.partition(b" ")
            if kind.lower() != b"bearer":
                raise WhoError("another scheme")
        elif name == b"x-api-key":
            credential = value
        else:
            continue
        if found is not None:
            raise ManyCredentialsError
        found = credential.strip()
    if found is None:
        return None
    if not 0 < len(found) <= MAX_CREDENTIAL_LENGTH or not found.isascii():
        raise WhoError("malformed")
    return found.decode("ascii")


def new_secret(key_id: str) -> str:
    """A secret of 256 random bits, with the id of its key in front, to be found again in a list of keys."""
    return f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"


def digest(secret: str) -> bytes:
    """What is kept of a secret. It is random and long, so that nothing slower than SHA-256 is needed."""
    return hashlib.sha256(secret.encode()).digest()
