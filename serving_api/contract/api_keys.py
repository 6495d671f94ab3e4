"""Who may call the read API with a key: a record for each, without its secret."""

from datetime import datetime
from typing import NamedTuple

import orjson

from serving_api.contract.version import ContractError, ContractVersionError

# Of its own: keys outlive contract versions.
API_KEY_VERSION = 1


class ApiSecret(NamedTuple):
    """A secret of a key: its SHA-256 in hexadecimal digits, and until when it is one; None: as long as the key is."""

    sha256: str
    expires_at: datetime | None


class ApiKey(NamedTuple):
    """A key of the read API. Times are in UTC; `secrets` has the newest first, and older ones while they overlap."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    secrets: tuple[ApiSecret, ...]


def pack_api_key(key: ApiKey) -> bytes:
    """The record of a key, under its id in the hash of keys."""
    document = key._asdict() | {"secrets": [secret._asdict() for secret in key.secrets]}
    return orjson.dumps({"version": API_KEY_VERSION} | document, option=orjson.OPT_UTC_Z)


def unpack_api_key(field: bytes, packed: bytes) -> ApiKey:
    """The key of a record. Raises ContractError where it is damaged or of another version."""
    try:
        document = orjson.loads(packed)
        version = document["version"]
        if version != API_KEY_VERSION:
            raise ContractVersionError(f"the API key {field!r} is of version {version}, not {API_KEY_VERSION}")
        if document["id"].encode() != field:
            raise ContractError(f"the API key {field!r} says that it is {document['id']!r}")
        secrets = tuple(ApiSecret(_digest(each["sha256"]), _until(each["expires_at"])) for each in document["secrets"])
        created = datetime.fromisoformat(document["created_at"])
        expires = _until(document["expires_at"])
        return ApiKey(document["id"], document["name"], _scopes(document["scopes"]), created, expires, secrets)
    except ContractError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"the API key {field!r} cannot be read: {error}") from error


def _digest(text: str) -> str:
    if len(bytes.fromhex(text)) != 32:
        raise ValueError("a secret is not 64 hexadecimal digits")
    return text


def _scopes(given: list[str]) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise TypeError("the scopes are not a list")
    return tuple(each for each in given if isinstance(each, str))


def _until(text: str | None) -> datetime | None:
    if text is None:
        return None
    until = datetime.fromisoformat(text)
    if until.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return until
