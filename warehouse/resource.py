"""The servers and the lake as Dagster resources, one kind each: the only Dagster-aware module of this package.

Each reads its settings from the environment: the warehouse once, when its address is first asked for, Redis and the
lake at every call. Embedded servers are started if none are configured, by whoever asks first, so a run works under any
launcher.
"""

from functools import cached_property

from dagster import ConfigurableResource
from redis import Redis

from warehouse.lake import Lake
from warehouse.local.servers import ensure_running
from warehouse.migrate import require_current
from warehouse.redis_client import redis_client
from warehouse.settings import load_settings


class PostgresResource(ConfigurableResource["PostgresResource"]):
    """The warehouse, with the tables of this version."""

    @cached_property
    def url(self) -> str:
        """Plain `postgresql://` address of the warehouse.

        Raises:
            AudoticsError: it cannot be reached, or has to be migrated first.
        """
        settings = load_settings()
        url = ensure_running(settings).warehouse_url
        require_current(url, embedded=settings.warehouse_url is None)
        return url


class RedisResource(ConfigurableResource["RedisResource"]):
    """The Redis that releases go to."""

    def client(self) -> Redis:
        """A client, which waits for an answer as long as the settings say."""
        settings = load_settings()
        return redis_client(ensure_running(settings).redis_url, settings.redis_timeout_seconds)


class LakeResource(ConfigurableResource["LakeResource"]):
    """Where Parquet frames and model files are kept."""

    def open(self) -> Lake:
        """The lake of the settings."""
        return Lake(load_settings().lake)
