"""The check of the newest day: whether it arrived whole, of all sources and of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from quality.arrivals import Arrival, judge_day, why_not_blocked, why_not_judged
from quality.checks.accepted import is_accepted
from quality.checks.evidence import evidence
from quality.checks.newest_day import ASSET, KEY, last_verdict
from quality.checks.tables import Row, table_of
from quality.days import CHECK_NAME, LEARNED_DAYS, Days, countries, is_of_old_date, is_over, read_days
from quality.failing import first_rows
from quality.observations import ALL, Observation, Validation, keep
from quality.public_holidays import holiday_names, holiday_share
from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role

# Every hour of the day.
_HOURS_SHOWN = 24
_UNDATED = "the run has no date, so this is what was found before: "


@dataclass(frozen=True)
class Judged:
    """A day of a segment: its figures, for which share of the listeners it is a holiday, and why it stops nothing."""

    days: Days
    arrivals: Sequence[Arrival]
    on_holiday: float
    holidays: Sequence[str]
    unjudged: str | None
    harmless: str | None

    @property
    def odd(self) -> list[Arrival]:
        return [each for each in self.arrivals if each.odd]

    @property
    def blocks(self) -> bool:
        return self.harmless is None and any(each.blocks for each in self.arrivals)


@dg.asset_check(
    asset=ASSET,
    name=CHECK_NAME,
    blocking=True,
    description=f"Of all sources and of each, the newest day that usually is there by now has the listens, the listens"
    f" of a listener and the hours that the {LEARNED_DAYS} days before it lead to expect; on a public holiday fewer. A"
    " day that is missing, half missing or shifted beyond doubt stops the night, where days come night by night.",
)
def arrivals_check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
    """Compare the newest day of each source with those before it."""
    run = context.op_execution_context
    accepted = is_accepted(context, KEY)
    if not run.has_partition_key:
        return _as_before(run.instance, warehouse, accepted)
    as_of = date.fromisoformat(run.partition_key)
    with create_engine(warehouse.url, Role.TRANSFORMER).connect() as connection:
        judged = judge(connection, as_of, datetime.now(UTC))
        rows = _evidence(connection, judged)
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        of_run = Validation(ASSET.to_user_string(), CHECK_NAME, run.run_id, as_of)
        keep(connection, of_run, [each for day in judged for each in observations(day)], accepted=accepted)
    blocks = any(each.blocks for each in judged) and not accepted
    odd = any(each.odd for each in judged)
    return dg.AssetCheckResult(
        passed=not odd,
        severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
        description=f"{'accepted although ' if accepted and odd else ''}{said(judged, as_of)}",
        metadata=_figures(judged) | rows,
    )


def _as_before(instance: dg.DagsterInstance, warehouse: PostgresResource, accepted: bool) -> dg.AssetCheckResult:
    """What the check said of the latest date, again: without a date no day is the newest, and no day that is refused is
    let pass.
    """
    if before := last_verdict(instance, warehouse.url, None):
        stops = before.blocks and not accepted
        return dg.AssetCheckResult(
            passed=before.passed,
            severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
            description=f"{_UNDATED}{before.said}",
        )
    return dg.AssetCheckResult(passed=True, description="the run has no date, so no day is the newest")


def judge(connection: Connection, as_of: date, now: datetime) -> list[Judged]:
    """The newest day before a date, of all sources and of each, as the night of it sees them now."""
    day = as_of - timedelta(days=1)
    old = is_of_old_date(connection, day, now)
    of_country = countries(connection, day)
    return [_judged(days, of_country, _why_none_blocks(day, now, old)) for days in read_days(connection, day, now)]


def _why_none_blocks(day: date, now: datetime, old: bool) -> str | None:
    if not is_over(day, now):
        return "the day is not over yet"
    return "later days were judged or have come, so this is a run of an old date" if old else None


def _judged(days: Days, of_country: Mapping[str, int], none_blocks: str | None) -> Judged:
    share = holiday_share(of_country, days.last)
    return Judged(
        days,
        judge_day(days, share),
        share,
        holiday_names(of_country, days.last),
        why_not_judged(days),
        none_blocks or why_not_blocked(days),
    )


def said(judged: Sequence[Judged], as_of: date) -> str:
    if not judged:
        return f"there are no listens of the days before {as_of}"
    if odd := [each for each in judged if each.odd]:
        return " | ".join(_odd_day(each) for each in odd)
    if usual := [each for each in judged if not each.unjudged]:
        days = dict.fromkeys(f"{each.days.last} is as the days {_learned(each.days)} lead to expect" for each in usual)
        return "; ".join([*days, *_unjudged(judged)])
    return "; ".join(_unjudged(judged))


def _unjudged(judged: Sequence[Judged]) -> list[str]:
    return [f"{_of(each.days)}{each.days.last} is not judged: {each.unjudged}" for each in judged if each.unjudged]


def _odd_day(judged: Judged) -> str:
    days = judged.days
    figures = "; ".join(_odd(each) for each in judged.odd)
    holiday = (
        f", {', '.join(judged.holidays[:2])} for {judged.on_holiday:.0%} of the listeners," if judged.on_holiday else ""
    )
    harmless = f". It stops nothing: {judged.harmless}" if judged.harmless else ""
    return f"{_of(days)}{days.last}{holiday} is unlike the days {_learned(days)}: {figures}{harmless}"


def _of(days: Days) -> str:
    return "" if days.segment == ALL else f"{days.segment}: "


def _odd(arrival: Arrival) -> str:
    bound = f"at least {arrival.low:,.1f}" if arrival.value < arrival.low else f"at most {arrival.high:,.1f}"
    return f"{arrival.value:,.1f} {arrival.figure}, where {bound} is usual"


def _learned(days: Days) -> str:
    first, last = _learned_days(days)
    return f"from {first} to {last}"


def _learned_days(days: Days) -> tuple[date, date]:
    return days.last - timedelta(days=LEARNED_DAYS), days.last - timedelta(days=1)


def observations(judged: Judged) -> list[Observation]:
    """What is kept of a day."""
    first, last = _learned_days(judged.days)
    return [
        Observation(
            metric=each.figure,
            value=each.value,
            passed=not each.odd,
            expectation=f"{each.figure} of {judged.days.last} are as many as usual",
            severity="critical" if each.blocks and judged.harmless is None else "warning",
            segment=judged.days.segment,
            low=each.low,
            high=each.high,
            learned_from=first,
            learned_to=last,
        )
        for each in judged.arrivals
    ]


def _figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """Those of all sources by themselves, which Dagster plots over dates, and all of them in a table."""
    rows: list[Row] = [
        {
            "source": each.days.segment.removeprefix("source: "),
            "day": f"{each.days.last}",
            "figure": arrival.figure,
            "value": arrival.value,
            "least": arrival.low,
            "most": arrival.high,
            "odd": arrival.odd,
            "blocks": arrival.blocks and each.harmless is None,
            "on_holiday": each.on_holiday,
        }
        for each in judged
        for arrival in each.arrivals
    ]
    whole = {
        f"{arrival.figure}{name}": value
        for each in judged
        if each.days.segment == ALL
        for arrival in each.arrivals
        for name, value in (("", arrival.value), ("/least", arrival.low), ("/most", arrival.high))
    }
    return whole | {"figures": table_of(rows)}


def _evidence(connection: Connection, judged: Sequence[Judged]) -> dict[str, Any]:
    """Of each odd day, its hours beside those of the same weekday before it, with the query of all."""
    found: dict[str, Any] = {}
    for each in judged:
        if each.odd:
            query = _HOURS.format(**_hours_asked(each.days))
            found |= evidence(each.days.segment, query, first_rows(connection, query, _HOURS_SHOWN))
    return found


def _hours_asked(days: Days) -> dict[str, str]:
    source = days.segment.removeprefix("source: ").replace("'", "''")
    return {
        "day": f"{days.last}",
        "week_before": f"{days.last - timedelta(days=7)}",
        "of_source": "" if days.segment == ALL else f" and source = '{source}'",
    }


_HOURS = """select extract(hour from listened_at at time zone 'UTC')::int as hour,
    count(*) filter (where listened_at >= '{day} 00:00:00+00') as listens,
    count(*) filter (where listened_at < '{day} 00:00:00+00') as a_week_before
from raw.listens
where (listened_at at time zone 'UTC')::date in ('{day}', '{week_before}')
    and listened_at >= '{week_before} 00:00:00+00'{of_source}
group by hour order by hour"""
