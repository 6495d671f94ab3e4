"""The running platform, as every command needs it: settings checked, servers answering, tables of this version."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from sqlalchemy import Connection

from warehouse.connections import check_redis, check_warehouse
from warehouse.engine import create_engine
from warehouse.local.home import prepare_home
from warehouse.local.servers import ensure_running
from warehouse.migrate import require_current
from warehouse.redis_client import redis_client
from warehouse.roles import Role
from warehouse.settings import Settings, is_remote, load_settings


@dataclass(frozen=True)
class Platform:
    """Settings and the addresses of the servers behind them."""

    settings: Settings
    warehouse_url: str
    redis_url: str

    def transaction(self, role: Role = Role.SERVICE) -> AbstractContextManager[Connection]:
        """A connection of this role in one transaction: committed at the end, rolled back on an error."""
        return create_engine(self.warehouse_url, role).begin()

    def redis(self) -> Redis:
        return redis_client(self.redis_url, self.settings.redis_timeout_seconds)


def open_platform() -> Platform:
    """Start the embedded servers if none are configured, check that both answer and the tables are of this version.

    What is kept of listeners in the home is open to its owner only.

    Raises:
        AudoticsError: what does not work, where, and what to do.
    """
    platform = open_servers()
    require_current(platform.warehouse_url, embedded=platform.settings.warehouse_url is None)
    return platform


def open_servers() -> Platform:
    """As `open_platform`, whatever version the tables are of."""
    settings = load_settings()
    prepare_home(settings.home)
    local = [Path(location) for location in (settings.landing, settings.lake) if not is_remote(location)]
    for folder in (settings.home / "logs", settings.home / "dagster", *local):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    endpoints = ensure_running(settings)
    check_warehouse(endpoints.warehouse_url)
    check_redis(endpoints.redis_url)
    return Platform(settings, endpoints.warehouse_url, endpoints.redis_url)
