"""What every asset states in the same way: its partitions by `as_of`, its backfills, its owners."""

import dagster as dg

OWNERS = ["team:data-engineering"]

# No listen is loaded of a day before 2000. The partition of a date exists from its own midnight on, when everything
# before it has been heard: hence the offset.
AS_OF_PARTITIONS = dg.DailyPartitionsDefinition(start_date="2000-01-01", end_offset=1)
ONE_DATE_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
