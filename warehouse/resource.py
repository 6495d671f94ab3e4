"""The platform's servers and folders as a Dagster resource: the only Dagster-aware module of this package."""

from functools import cached_property

from dagster import ConfigurableResource
from redis import Redis

from warehouse.local.servers import Endpoints, ensure_running
from warehouse.migrate import require_current
from warehouse.redis_client import redis_client
from warehouse.settings import Settings, load_settings


class WarehouseResource(ConfigurableResource["WarehouseResource"]):
    """PostgreSQL, Redis and the lake, resolved from the environment when a run first asks.

    Embedded servers are started if none are configured, so a run works under any launcher.
    """

    @cached_property
    def settings(self) -> Settings:
        return load_settings()

    @cached_property
    def endpoints(self) -> Endpoints:
        endpoints = ensure_running(self.settings)
        require_current(endpoints.warehouse_url, embedded=self.settings.warehouse_url is None)
        return endpoints

    @property
    def url(self) -> str:
        """Plain `postgresql://` address of the warehouse."""
        return self.endpoints.warehouse_url

    def redis(self) -> Redis:
        """A client of the Redis that releases go to."""
        return redis_client(self.endpoints.redis_url, self.settings.redis_timeout_seconds)

    @property
    def lake(self) -> str:
        """Folder or fsspec address under which Parquet frames and model files are kept."""
        return self.settings.lake
