"""The check of the newest day: whether it arrived whole."""

from datetime import date, timedelta

import dagster as dg

from quality.arrivals import LEARNED_DAYS, Arrival, judge_day, read_days
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role


@dg.asset_check(
    asset=["core", "fct_listens"],
    name="newest_day_is_whole",
    description=f"The day before the run's date has the listens, the listens of a listener and the hours that the"
    f" {LEARNED_DAYS} days before it lead to expect. It stops nothing: the day may be a holiday.",
)
def arrivals_check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Compare the newest day with those before it."""
    run = context.op_execution_context
    if not run.has_partition_key:
        return dg.AssetCheckResult(passed=True, description="the run has no date, so no day is the newest")
    day = date.fromisoformat(run.partition_key) - timedelta(days=1)
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        arrivals = judge_day(read_days(connection, day))
    odd = [_odd(each) for each in arrivals if each.odd]
    learned = f"from {day - timedelta(days=LEARNED_DAYS)} to {day - timedelta(days=1)}"
    usual = f"{day} is as the days {learned} lead to expect" if arrivals else f"too few listens {learned} to tell"
    return dg.AssetCheckResult(
        passed=not odd,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{day} is unlike the days {learned}: {'; '.join(odd)}" if odd else usual,
        metadata={
            f"{each.figure}{name}": value
            for each in arrivals
            for name, value in (("", each.value), ("/least", each.low), ("/most", each.high))
        },
    )


def _odd(arrival: Arrival) -> str:
    bound = f"at least {arrival.low:,.1f}" if arrival.value < arrival.low else f"at most {arrival.high:,.1f}"
    return f"{arrival.value:,.1f} {arrival.figure}, where {bound} is usual"
