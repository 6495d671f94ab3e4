"""Making, changing and removing API keys in Redis. Secrets are told to whoever makes them, and kept nowhere."""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline

from serving_api import contract
from serving_api.access.credentials import digest, new_secret
from serving_api.access.scopes import Scope
from serving_api.contract import ApiKey, ApiSecret, ContractError


class UnknownKeyError(Exception):
    """There is no key with this id."""


class MadeKey(NamedTuple):
    """A key and its new secret, which is not to be had again."""

    key: ApiKey
    secret: str


class ListedKeys(NamedTuple):
    """The keys, oldest first, and what is wrong with records that cannot be read."""

    keys: list[ApiKey]
    unreadable: list[str]


def create_key(redis: Redis, name: str, scopes: Sequence[Scope], expires_at: datetime | None) -> MadeKey:
    """Make a key that may do what the scopes say, until `expires_at` (UTC; None: for good)."""
    key_id = secrets.token_hex(6)
    secret = new_secret(key_id)
    key = ApiKey(key_id, name, tuple(sorted(scopes)), _now(), expires_at, (_kept(secret),))
    redis.hset(contract.API_KEYS, key_id, contract.pack_api_key(key))
    return MadeKey(key, secret)


def list_keys(redis: Redis) -> ListedKeys:
    """Every key there is."""
    keys, unreadable = [], []
    for field, packed in cast(dict[bytes, bytes], redis.hgetall(contract.API_KEYS)).items():
        try:
            keys.append(contract.unpack_api_key(field, packed))
        except ContractError as error:
            unreadable.append(str(error))
    return ListedKeys(sorted(keys, key=lambda key: key.created_at), unreadable)


def rotate_key(redis: Redis, key_id: str, overlap: timedelta) -> MadeKey:
    """Give a key a new secret; the secrets it had go on for `overlap` at most.

    Raises UnknownKeyError, and ContractError where the record is damaged.
    """
    secret = new_secret(key_id)
    now = _now()

    def rotated(key: ApiKey) -> ApiKey:
        overlapping = [
            ApiSecret(old.sha256, min(old.expires_at or now + overlap, now + overlap))
            for old in key.secrets
            if overlap and (old.expires_at is None or old.expires_at > now)
        ]
        return key._replace(secrets=(_kept(secret), *overlapping))

    return MadeKey(_changed(redis, key_id, rotated), secret)


def revoke_key(redis: Redis, key_id: str) -> None:
    """Remove a key with all its secrets. Raises UnknownKeyError."""
    if not redis.hdel(contract.API_KEYS, key_id):
        raise UnknownKeyError(key_id)


def _changed(redis: Redis, key_id: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey:
    """Change a key, and start again where somebody else changed it meanwhile."""

    def replace(pipe: Pipeline) -> ApiKey:
        packed = cast(bytes | None, pipe.hget(contract.API_KEYS, key_id))
        if packed is None:
            raise UnknownKeyError(key_id)
        key = change(contract.unpack_api_key(key_id.encode(), packed))
        pipe.multi()
        pipe.hset(contract.API_KEYS, key_id, contract.pack_api_key(key))
        return key

    # The client's types know only of callables that return nothing.
    return cast(ApiKey, redis.transaction(cast(Any, replace), contract.API_KEYS, value_from_callable=True))


def _kept(secret: str) -> ApiSecret:
    return ApiSecret(digest(secret).hex(), None)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
