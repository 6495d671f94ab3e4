"""What every asset states in the same way: its partitions by `as_of`, its backfills, its owners, what it returns."""

import warnings
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from warehouse.history import EARLIEST_DAY

# Known and accepted, so nobody has to read it in each process that loads the assets: what stays as it is as long as
# Dagster's version is pinned.
for _feature in ("Parameter `backfill_policy` of function `asset`", "Specifying a partitions_def on an AssetCheckSpec"):
    warnings.filterwarnings("ignore", message=f"{_feature} is currently in (beta|preview)")

OWNERS = ["team:data-engineering"]

# The partition of a date exists from its own midnight on, when everything before it has been heard: hence the offset.
AS_OF_PARTITIONS = dg.DailyPartitionsDefinition(start_date=EARLIEST_DAY.isoformat(), end_offset=1)
ONE_DATE_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)

# What every night makes. As for what dbt reads, a night and a half without is worth a look, a week an error.
# It stops nothing. Dagster asks when an asset was last made, of whatever date: a backfill of old ones counts as well.
NIGHTLY = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=36), fail_window=timedelta(days=7))
# Likewise what Mondays make: rankers and what they learn from.
WEEKLY = dg.FreshnessPolicy.time_window(warn_window=timedelta(days=8), fail_window=timedelta(days=21))

# What an asset returns or yields: it writes its tables and files itself and hands no value on. Of an asset that has
# checks, Dagster 1.13 does not know the type with its parameter.
if TYPE_CHECKING:
    Materialized = dg.MaterializeResult[None]
else:
    Materialized = dg.MaterializeResult
