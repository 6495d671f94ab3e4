"""Warehouse and Redis URLs: which forms are accepted, and whether somebody answers there."""

from urllib.parse import urlsplit

import psycopg2

from warehouse.errors import AudoticsError

CONNECT_TIMEOUT_SECONDS = 5
_WAREHOUSE_SCHEMES = {"postgres", "postgresql", "postgresql+psycopg2"}
_REDIS_SCHEMES = {"redis", "rediss", "unix"}


def plain_url(url: str) -> str:
    """Return a warehouse URL as `postgresql://…`, the form that libpq, ADBC and dbt understand.

    Accepts postgres://, postgresql:// and postgresql+psycopg2://. Raises AudoticsError for any other.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _WAREHOUSE_SCHEMES:
        raise AudoticsError(
            "AUDOTICS_WAREHOUSE_URL is not a PostgreSQL address; write postgresql://user:password@host:port/database"
        )
    return f"postgresql://{rest}"


def address(url: str, default_port: int) -> str:
    """Return `host:port` of a URL, for messages; never its user or password."""
    try:
        parts = urlsplit(url)
        port = parts.port or default_port
    except ValueError as error:
        raise AudoticsError(
            "a server URL has a port that is not a number; write scheme://user:password@host:port/…"
            " and percent-encode special characters of the password"
        ) from error
    if parts.scheme == "unix":
        return parts.path
    host = parts.hostname or "localhost"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_warehouse(url: str) -> str:
    """Connect to the warehouse once and return the server's version, such as `18.4`.

    Raises AudoticsError, naming host and port but never the password, when it cannot be reached or used.
    """
    where = address(url, 5432)
    try:
        connection = psycopg2.connect(plain_url(url), connect_timeout=CONNECT_TIMEOUT_SECONDS)
    except psycopg2.OperationalError as error:
        raise AudoticsError(f"PostgreSQL at {where} {_warehouse_refusal(str(error))}") from error
    except psycopg2.ProgrammingError as error:
        raise AudoticsError(
            f"the PostgreSQL URL for {where} cannot be parsed; percent-encode special characters of the password"
        ) from error
    try:
        return str(connection.get_parameter_status("server_version")).split()[0]
    finally:
        connection.close()


def _warehouse_refusal(reason: str) -> str:
    if "password" in reason or "authentication" in reason or "role " in reason:
        return "refuses this user and password; correct AUDOTICS_WAREHOUSE_URL"
    if "does not exist" in reason:
        return "has no such database; create it or correct AUDOTICS_WAREHOUSE_URL"
    if "starting up" in reason or "recovery" in reason:
        return "is still starting; try again in a minute"
    if "too many clients" in reason or "connection slots" in reason:
        return "has no connection left; close other clients or raise its max_connections"
    if "translate host name" in reason:
        return "is on a host with no known address; correct AUDOTICS_WAREHOUSE_URL"
    cause = "connection refused" if "refused" in reason else "no answer"
    return f"is not reachable ({cause}); start it, or correct AUDOTICS_WAREHOUSE_URL (unset means the embedded server)"


def check_redis(url: str) -> str:
    """Connect to Redis once and return the server's version, such as `6.2.14`.

    Raises AudoticsError, naming host and port but never the password, when it cannot be reached or used.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    if urlsplit(url).scheme not in _REDIS_SCHEMES:
        raise AudoticsError("AUDOTICS_REDIS_URL is not a Redis address; write redis://:password@host:port/0")
    where = address(url, 6379)
    client: redis.Redis = redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=CONNECT_TIMEOUT_SECONDS,
        # By default the client tries several times, seconds apart, even with a refused password.
        retry=Retry(NoBackoff(), 0),
    )
    try:
        return str(client.info("server")["redis_version"])
    except redis.exceptions.BusyLoadingError as error:
        raise AudoticsError(f"Redis at {where} is still loading its data; try again in a minute") from error
    except (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise AudoticsError(f"Redis at {where} refuses this password; correct AUDOTICS_REDIS_URL") from error
    except redis.exceptions.ResponseError as error:
        raise AudoticsError(f"Redis at {where} refuses: {error}; correct AUDOTICS_REDIS_URL") from error
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
        raise AudoticsError(
            f"Redis at {where} is not reachable; start it, or correct AUDOTICS_REDIS_URL"
            " (unset means the embedded server)"
        ) from error
    finally:
        client.close()
