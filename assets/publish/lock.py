"""The lock of whoever publishes: one at a time, and for no longer than they give signs of life."""

import time
from contextlib import suppress

from redis import Redis
from redis.exceptions import LockNotOwnedError

from assets.publish.content import ReleaseError
from serving_api.contract import PUBLISH_LOCK

_RENEWALS_PER_LOCK = 10
_MILLISECONDS = 1000


class PublishLock:
    """The lock PUBLISH_LOCK in Redis, which expires `seconds` after it was taken or last renewed."""

    def __init__(self, client: Redis, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._lock = client.lock(PUBLISH_LOCK, timeout=seconds)
        self._renewed_at = 0.0

    def acquire(self) -> None:
        """Take the lock, waiting until that of a killed publisher expires. Raises ReleaseError when others keep it."""
        # Every lock of a publisher expires. One that does not was left by something else, and gets as long as ours has.
        if self._client.pttl(PUBLISH_LOCK) == -1:
            self._client.pexpire(PUBLISH_LOCK, int(self._seconds * _MILLISECONDS))
        if not self._lock.acquire(blocking_timeout=self._seconds + 1):
            raise ReleaseError(f"another publisher holds the lock {PUBLISH_LOCK}; publish again when it has finished")
        self._renewed_at = time.monotonic()

    def beat(self) -> None:
        """Renew the lock, if it was not just renewed. Raises LockNotOwnedError when it has expired."""
        if time.monotonic() - self._renewed_at >= self._seconds / _RENEWALS_PER_LOCK:
            self._lock.reacquire()
            self._renewed_at = time.monotonic()

    def owned(self) -> bool:
        """Whether nobody else has the lock, and it has not expired."""
        return bool(self._lock.owned())

    def require(self) -> None:
        """Raise LockNotOwnedError unless it is owned."""
        if not self.owned():
            raise LockNotOwnedError("the publish lock ran out")

    def release(self) -> None:
        """Give the lock back. One that ran out is not ours to give; whoever holds it now keeps it."""
        with suppress(LockNotOwnedError):
            self._lock.release()
