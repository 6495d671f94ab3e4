"""How Redis is reached by whatever writes to it: never waited for without end."""

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_RETRIES = 3


def redis_client(url: str, timeout_seconds: float) -> Redis:
    """A client of the Redis at a URL, which does not decode responses.

    It waits `timeout_seconds` at most for a connection and for each answer. A connection that Redis or something in
    between has closed is made again; a Redis that hangs is not asked twice. Idle connections are kept alive, as the
    client library does by itself.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(
            ExponentialBackoff(cap=_LONGEST_PAUSE_SECONDS, base=_FIRST_PAUSE_SECONDS),
            _RETRIES,
            supported_errors=(RedisConnectionError,),
        ),
    )
