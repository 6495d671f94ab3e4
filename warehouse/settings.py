"""Where things are: home, warehouse, Redis, lake, landing folder; how many threads; how long rejected rows stay."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from warehouse.errors import AudoticsError


def _absolute(path: Path) -> Path:
    return Path(path).expanduser().absolute()


def _absolute_unless_remote(location: str) -> str:
    return location if is_remote(location) else str(_absolute(Path(location)))


def _default_lake(validated: dict[str, Any]) -> str:
    return str(validated["home"] / "lake")


def _default_landing(validated: dict[str, Any]) -> str:
    return str(validated["home"] / "landing")


def _cores() -> int:
    """Those that this process may run on, where the system can say which."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Port = Annotated[int, Field(ge=1, le=65535)]


def is_remote(location: str) -> bool:
    """Whether a location is an address of a store, not a path."""
    return "://" in location


class Settings(BaseSettings):
    """Settings read from the environment, each as AUDOTICS_<NAME>; `.env.example` explains every one.

    An empty variable counts as unset. Relative paths are taken from the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="AUDOTICS_", env_ignore_empty=True, extra="ignore")

    home: Annotated[Path, AfterValidator(_absolute), Field(validate_default=True)] = Path(".audotics")
    warehouse_url: str | None = Field(default=None, repr=False)
    redis_url: str | None = Field(default=None, repr=False)
    redis_timeout_seconds: float = Field(default=10.0, gt=0)
    redis_ca: Path | None = None
    lake: Annotated[str, AfterValidator(_absolute_unless_remote)] = Field(default_factory=_default_lake)
    landing: Annotated[str, AfterValidator(_absolute_unless_remote)] = Field(default_factory=_default_landing)
    data_docs_url: str = "http://127.0.0.1:3001"
    pg_port: Port | None = None
    redis_port: Port | None = None
    rejects_days: int = Field(default=90, ge=0, le=36_500)
    threads: int = Field(default_factory=_cores, ge=1)


def load_settings() -> Settings:
    """Return the settings of this process's environment.

    Raises AudoticsError naming the variable when a value cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        variable = "AUDOTICS_" + str(first["loc"][0]).upper()
        raise AudoticsError(f"{variable} cannot be used: {first['msg']}; .env.example says what it may be") from error
