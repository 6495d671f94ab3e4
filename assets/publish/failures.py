"""What goes wrong with Redis itself, in words that say which Redis and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import LockNotOwnedError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from assets.publish.content import ReleaseError
from serving_api.contract import PUBLISH_LOCK

# A Redis that fails like this is not asked for anything more.
SILENT = (RedisConnectionError, RedisTimeoutError)


@contextmanager
def redis_errors(client: Redis) -> Iterator[None]:
    """Turn errors of Redis into a ReleaseError that says which Redis."""
    settings = client.connection_pool.connection_kwargs
    where = settings.get("path") or f"{settings.get('host')}:{settings.get('port')}"
    try:
        yield
    except LockNotOwnedError as error:
        raise ReleaseError(
            f"the lock {PUBLISH_LOCK} in Redis at {where} ran out while publishing, so the release did not"
            " go live; publish again in smaller batches or with a longer lock"
        ) from error
    except RedisTimeoutError as error:
        raise ReleaseError(
            f"Redis at {where} did not answer within {settings.get('socket_timeout')} s; check that it is up and not"
            " overloaded, or raise AUDOTICS_REDIS_TIMEOUT_SECONDS"
        ) from error
    except RedisError as error:
        another_type = str(error).startswith("WRONGTYPE")
        advice = "`audotics doctor` names the key" if another_type else "check it and AUDOTICS_REDIS_URL"
        raise ReleaseError(f"Redis at {where} failed: {error}; {advice}") from error
