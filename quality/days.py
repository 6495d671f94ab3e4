"""The listens of consecutive days, of each source and of all together, as the night of each day could see them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, text

from quality.nights import LATEST_NIGHTS, Floats, end_of, nights, usual_lag
from quality.observations import ALL

CHECK_NAME = "newest_day_is_whole"
# Of a day of the week, eight: enough for a median, and a habit of last summer says nothing.
LEARNED_DAYS = 56
HOURS_LEARNED_DAYS = 28
# The days before the first one that is learned from: what its own hours are compared with.
READ_DAYS = LEARNED_DAYS + HOURS_LEARNED_DAYS
# With fewer, a day is what a few people happened to do.
LEAST_LISTENS = 50
LIVE_DAYS = 7
# A night that was stopped on a Friday is run again on the Monday.
OLD_AFTER = timedelta(days=4)
# Where more of a day usually comes later, days are compared by what their own nights saw of them.
_ALL_IN_TIME = 0.9
_CAUGHT_UP_ON = 0.1
# No night.
_NEVER = 1_000_000
# Whose countries count for a holiday.
_PRESENT_DAYS = 28


@dataclass(frozen=True)
class Days:
    """Consecutive days, the last of them the one that is judged.

    Attributes:
        segment: `all`, or `source: ` and its name.
        last: the day that is judged: of a source that comes later, an earlier one.
        listens, listeners: float64[days].
        listeners_by_hour: float64[days, 24], UTC.
        share: of all listens of these days, 0 to 1.
        live_days: how many of the LIVE_DAYS before the last came when they were the newest.
    """

    segment: str
    last: date
    listens: Floats
    listeners: Floats
    listeners_by_hour: Floats
    share: float = 1.0
    live_days: int = LIVE_DAYS

    @property
    def silent_days(self) -> int:
        """How many days in a row before the last one had no listen."""
        heard = np.flatnonzero(self.listens[:-1])
        return len(self.listens) - 2 - int(heard[-1]) if len(heard) else len(self.listens) - 1


@dataclass(frozen=True)
class _Arrived:
    """Of a source: listens that came night by night, float64[nights, days], and all of them, float64[days]."""

    live: Floats
    listens: Floats

    def live_days(self, last: int) -> int:
        """How many of the days before the `last` one came when they were the newest."""
        week = slice(last - LIVE_DAYS, last)
        came = self.listens[week] > 0
        return int(np.sum(came & (2 * self.live[:, week].sum(axis=0) >= self.listens[week])))

    def seen_until(self, lag: int) -> int:
        """How many nights after its own a listen of an earlier day may have come to be counted; _NEVER for any."""
        days = range(len(self.listens) - 1 - lag - _PRESENT_DAYS, len(self.listens) - 1 - lag)
        came = self.live.sum(axis=0)
        seen = [self.live[: day + lag + 1, day].sum() / came[day] for day in days if came[day]]
        # Nights that were caught up on saw nothing of their days.
        in_time = [share for share in seen if share > _CAUGHT_UP_ON]
        return lag if in_time and np.median(in_time) < _ALL_IN_TIME else _NEVER


def read_days(connection: Connection, day: date, now: datetime) -> list[Days]:
    """READ_DAYS and the day, of raw.listens: of all sources, and where there are several, of each of them.

    What a source usually brings later is not asked of it: of such a source an earlier day is the last. One that usually
    comes more than LATEST_NIGHTS later is left out.
    """
    first = day - timedelta(days=READ_DAYS + LATEST_NIGHTS)
    judged = connection.execute(_JUDGED_AT, {"check_name": CHECK_NAME, "first": first})
    until = nights(first, day, now, {row.as_of: row.judged_at for row in judged})
    asked: dict[str, Any] = {"first": first, "after": day + timedelta(days=1), "until": until}
    arrived = _arrived(connection.execute(_ARRIVED, asked).all(), len(until))
    if not arrived:
        return []
    lags = {source: usual_lag(each.live) for source, each in arrived.items()}
    seen = [each.seen_until(lags[source]) for source, each in arrived.items()]
    sources = list(arrived.values())
    together = _Arrived(np.sum([each.live for each in sources], 0), np.sum([each.listens for each in sources], 0))
    lag_of_all = usual_lag(together.live)
    at_once = together.seen_until(lag_of_all)
    asked |= {"sources": list(lags), "lags": seen, "together": at_once}
    by_night = min(*seen, at_once) < _NEVER
    rows = connection.execute(text(_days_query(by_night, several=len(lags) > 1)), asked).all()
    everything = sum(each.listens.sum() for each in arrived.values())
    found = []
    for source, lag in lags.items():
        if lag <= LATEST_NIGHTS:
            segment, share = f"source: {source}", float(arrived[source].listens.sum() / everything)
            found.append(
                _days([row for row in rows if row.source == source], segment, day, lag, arrived[source], share)
            )
    if len(lags) == 1:
        return [replace(each, segment=ALL) for each in found]
    if lag_of_all <= LATEST_NIGHTS:
        found.insert(0, _days([row for row in rows if row.source is None], ALL, day, lag_of_all, together, 1.0))
    return found


def _arrived(rows: Sequence[Row[Any]], days: int) -> dict[str, _Arrived]:
    arrived: dict[str, _Arrived] = {}
    for row in rows:
        of_source = arrived.setdefault(row.source, _Arrived(np.zeros((days, days)), np.zeros(days)))
        of_source.listens[row.place] += row.listens
        of_source.live[row.night, row.place] += row.live
    return arrived


def _days(rows: Sequence[Row[Any]], segment: str, day: date, lag: int, arrived: _Arrived, share: float) -> Days:
    last = len(arrived.listens) - 1 - lag
    first = last - READ_DAYS
    listens, listeners, by_hour = np.zeros(READ_DAYS + 1), np.zeros(READ_DAYS + 1), np.zeros((READ_DAYS + 1, 24))
    for row in rows:
        place = row.place - first
        if not 0 <= place <= READ_DAYS:
            continue
        if row.hour is None:
            listens[place], listeners[place] = row.listens, row.listeners
        else:
            by_hour[place, row.hour] = row.listeners
    live_days = arrived.live_days(last)
    return Days(segment, day - timedelta(days=lag), listens, listeners, by_hour, share, live_days)


def is_of_old_date(connection: Connection, day: date, now: datetime) -> bool:
    """Whether a later night has passed, or the day is over for OLD_AFTER and there are listens after its next day.

    Listens alone do not tell: times that are wrong are of later days too, those that have not come yet among them, and
    a night that was stopped is run again when the next day's have come.
    """
    as_of = day + timedelta(days=1)
    if connection.scalar(_LATER_NIGHT_PASSED, {"check_name": CHECK_NAME, "as_of": as_of}):
        return True
    asked = {"since": as_of + timedelta(days=1), "now": now, "least": LEAST_LISTENS}
    return now - end_of(day) > OLD_AFTER and connection.scalar(_LATER, asked) == LEAST_LISTENS


def countries(connection: Connection, day: date) -> dict[str, int]:
    """How many of those who listened in the four weeks before the day are of each country, as their profiles say."""
    asked = {"first": day - timedelta(days=_PRESENT_DAYS), "day": day}
    return {row.country: row.listeners for row in connection.execute(_COUNTRIES, asked)}


def is_over(day: date, now: datetime) -> bool:
    """Whether the day has ended everywhere where it is counted in UTC."""
    return now >= end_of(day)


_JUDGED_AT = text(
    "select as_of, max(validated_at) as judged_at from quality.validations"
    " where check_name = :check_name and as_of > :first group by as_of"
)
_PLACE = "(listened_at at time zone 'UTC')::date - cast(:first as date)"
_WITHIN = (
    "listened_at >= cast(:first as timestamp) at time zone 'UTC'"
    " and listened_at < cast(:after as timestamp) at time zone 'UTC'"
)
_NIGHT = "width_bucket(ingested_at, cast(:until as timestamptz[]))"
# A file that ends with the day, or the next, came when the day was the newest.
_IS_LIVE = "(last_listened_at at time zone 'UTC')::date - cast(:first as date) <= place + 1"
_ARRIVED = text(
    f"""
    select
        source, place, {_NIGHT} as night, sum(listens)::float as listens,
        coalesce(sum(listens) filter (where {_IS_LIVE}), 0)::float as live
    from (
        select source, {_PLACE} as place, file_id, ingested_at, count(*) as listens
        from raw.listens where {_WITHIN} group by source, place, file_id, ingested_at
    ) as loaded inner join raw.ingest_files using (file_id)
    group by source, place, night
    """
)
_BY_SOURCE = """
    select
        source, place, hour, sum(in_time)::float as listens,
        count(distinct user_key) filter (where in_time > 0)::float as listeners
    from heard group by grouping sets ((source, place), (source, place, hour))
"""
_TOGETHER = """
    union all
    select null, place, hour, sum(at_once)::float, count(distinct user_key) filter (where at_once > 0)::float
    from heard group by grouping sets ((place), (place, hour))
"""


def _days_query(by_night: bool, several: bool) -> str:
    """SQL: listens and listeners by source, day and hour; of all sources together where there are `several`.

    by_night: whether what came after the night of its day does not count, as `lags` say of each source and `together`
        of all; else everything does, and the rows are counted without asking when each of them came.
    """
    loaded, in_time, at_once = "", "count(*)", "count(*)"
    if by_night:
        loaded = (
            "inner join raw.ingest_files using (file_id)"
            " inner join unnest(cast(:sources as text[]), cast(:lags as int[])) as lags (source, lag) using (source)"
            f" cross join lateral (select {_PLACE} as place) as day"
            f" cross join lateral (select not {_IS_LIVE} as is_old, {_NIGHT} - place as nights) as came"
        )
        in_time, at_once = (f"count(*) filter (where is_old or nights <= {most})" for most in ("lag", ":together"))
    return f"""
    with heard as (
        select
            source, {"place" if by_night else f"{_PLACE} as place"},
            extract(hour from listened_at at time zone 'UTC')::int as hour, user_key,
            {in_time} as in_time, {at_once} as at_once
        from raw.listens {loaded} where {_WITHIN} group by source, place, hour, user_key
    )
    {_BY_SOURCE} {_TOGETHER if several else ""}
    """


_LATER = text(
    "select count(*) from (select from raw.listens"
    " where listened_at >= cast(:since as timestamp) at time zone 'UTC' and listened_at <= :now limit :least) as later"
)
# One that judged nothing tells nothing.
_LATER_NIGHT_PASSED = text(
    "select exists (select from quality.validations where check_name = :check_name and as_of > :as_of and passed"
    " and exists (select from quality.observations where observations.validation_id = validations.validation_id))"
)
_COUNTRIES = text(
    "select country, count(*) as listeners from raw.users where country is not null and user_key in"
    " (select user_key from raw.listens where listened_at >= cast(:first as timestamp) at time zone 'UTC'"
    " and listened_at < cast(:day as timestamp) at time zone 'UTC') group by country"
)
