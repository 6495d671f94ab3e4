"""The API keys, kept in the process, so that no request waits for Redis."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from datetime import datetime
from typing import NamedTuple, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from serving_api import contract
from serving_api.access.credentials import digest
from serving_api.access.errors import CannotTellError, WhoError
from serving_api.access.scopes import Caller, scopes_of
from serving_api.contract import ApiKey, ContractError
from serving_api.observe.causes import text_of

READ_EVERY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class _Opens(NamedTuple):
    caller: Caller
    until: float


class KeyRing:
    """Every secret that is valid, by its digest, read again every second.

    A key that is revoked or made holds a second later. While Redis does not answer, the keys read last go on, their
    expiry included; before any were read, nobody can be told from anybody (CannotTellError).
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._by_digest: dict[bytes, _Opens] | None = None
        self._packed: dict[bytes, bytes] = {}
        self._fault: RedisError | None = None

    async def keep_reading(self) -> None:
        """Read the keys again every second, until cancelled."""
        while True:
            await asyncio.sleep(READ_EVERY_SECONDS)
            await self.read()

    async def read(self) -> None:
        """Read the keys; where Redis cannot answer, those known go on."""
        try:
            packed = await cast(Awaitable[dict[bytes, bytes]], self._redis.hgetall(contract.API_KEYS))
        except RedisError as error:
            if self._fault is None:
                _log.warning("API keys cannot be read again, those known go on: %s", text_of(error))
            self._fault = error
            return
        self._fault = None
        if self._by_digest is None or packed != self._packed:
            self._by_digest = _opened_by(packed)
            self._packed = packed

    def caller(self, secret: str) -> Caller:
        """Whose secret it is. Raises WhoError, or CannotTellError.

        Found by its digest: how long that takes tells nothing of the secrets there are.
        """
        if self._by_digest is None:
            raise CannotTellError("keys not read yet") from self._fault
        opens = self._by_digest.get(digest(secret))
        if opens is None:
            raise WhoError("unknown key")
        if time.time() >= opens.until:
            raise WhoError("expired key")
        return opens.caller


def _opened_by(packed: dict[bytes, bytes]) -> dict[bytes, _Opens]:
    found = {}
    for field, record in packed.items():
        try:
            key = contract.unpack_api_key(field, record)
        except ContractError as error:
            _log.warning("%s; it opens nothing until it is made again", error)
            continue
        caller = Caller(f"key:{key.id}", None, scopes_of(key.scopes))
        for secret in key.secrets:
            found[bytes.fromhex(secret.sha256)] = _Opens(caller, _until(key, secret.expires_at))
    return found


def _until(key: ApiKey, secret_expires: datetime | None) -> float:
    """When the secret ends to open the key, in Unix seconds."""
    ends = [each.timestamp() for each in (key.expires_at, secret_expires) if each is not None]
    return min(ends, default=float("inf"))
