"""The training parameters that the rankers of a date use: those that the newest search chose, else the defaults."""

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from assets.ranker.training import RankerConfig
from assets.slates import Slate

_CONFIG_FIELDS = {field.name for field in fields(RankerConfig)}
_NEWEST = text(
    "select as_of, trial, params from ml.ranker_trials where slate = :slate and as_of <= :as_of and chosen"
    " order by as_of desc limit 1"
)


@dataclass(frozen=True)
class TrainingConfig:
    """Training parameters, and in words where they come from."""

    config: RankerConfig
    origin: str = "given by hand"


def read_training_config(connection: Connection, slate: Slate, as_of: date) -> TrainingConfig:
    """The training config for rankers of a slate as of a date.

    Later searches have seen what comes after it: they do not count.
    """
    row = connection.execute(_NEWEST, {"slate": str(slate), "as_of": as_of}).one_or_none()
    if row is None:
        return TrainingConfig(RankerConfig(), f"the defaults: nothing was searched as of {as_of} or earlier")
    if row.trial == 0:
        return TrainingConfig(
            RankerConfig(), f"the defaults: the search as of {row.as_of} found nothing significantly better"
        )
    return TrainingConfig(config_of(row.params), f"trial {row.trial} of the search as of {row.as_of}")


def config_of(params: dict[str, Any]) -> RankerConfig:
    """The config that was stored as `params`; parameters that no longer exist are left out."""
    return RankerConfig(**{name: params[name] for name in _CONFIG_FIELDS & params.keys()})
