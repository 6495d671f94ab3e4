"""What has moved in the lists of a date: scores, and per segment how popular tracks are and what stays from before.

What lists are like is measured once, by the release gate, whose verdicts decide what goes live: coverage and the other
figures of all users are read from `ml.slate_measures`. Nothing is written here.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from assets.drift.spreads import Rows, measure_spreads
from assets.metrics.segments import NEW_LISTENER_DAYS
from assets.release_gate.measures import FIRST
from quality.column_drift import LEAST_VALUES, History, spread_moved
from quality.levels import Level, judge_level
from quality.observations import ALL, Observation
from warehouse.wording import counted

LEARNED_DAYS = 90
# Of the figures that the release gate has: how far each may be from what is usual before anybody is told. The gate
# refuses lists that are further off.
_MEASURES: dict[str, dict[str, Any]] = {
    "coverage": {"floor": 0.03, "below": True},
    "length": {"part": 0.2},
    "tracks": {"part": 0.3},
    "artists": {"part": 0.3},
    "alike": {"floor": 0.1},
    "top_artist": {"floor": 0.05},
}
_POPULARITY_FLOOR = 0.1
_OVERLAP_FLOOR = 0.2
# A day before as a rule; what is longer ago was another catalogue.
_FURTHEST_DAYS = 28


def measure_lists(connection: Connection, as_of: date, history: History) -> list[Observation]:
    """Every figure of the lists of a date, slate by slate, after the release gate.

    Nothing of a slate without lists, or whose lists were made again since the gate measured them.
    """
    found: list[Observation] = []
    for row in connection.execute(_BATCHES, {"as_of": as_of, "furthest": _FURTHEST_DAYS}).all():
        users = row.users, row.users_before or 0
        found += _scores(connection, row.slate, as_of, row.before, history, users)
        found += [judge_level(level, history) for level in _measured(connection, row.slate, as_of)]
        found += [judge_level(level, history) for level in _of_segments(connection, row.slate, as_of, row.before)]
    return found


def _scores(
    connection: Connection, slate: str, as_of: date, before: date | None, history: History, users: tuple[int, int]
) -> Iterator[Observation]:
    """How scores are spread, against the newest lists before that the same model made: another has another scale.

    users: how many have a list, now and then.
    """
    name = f"{slate}/score"
    lists = (
        f'(select as_of, user_key, track_key, score as "{name}" from ml.recommendations'
        f" where slate = '{slate}') as lists"
    )
    rows, reference = Rows(lists, ("user_key", "track_key"), (name,)), before or as_of
    found = measure_spreads(connection, rows, reference, as_of)
    if as_of not in found or reference not in found:
        return
    now = found[as_of][name]
    # The release gate refuses such lists; here it is told.
    for figure, value, what in (
        ("constant", now.constant and now.values >= LEAST_VALUES, "not all scores are one"),
        ("not_finite", now.not_finite, "no score is NaN or infinite"),
    ):
        yield Observation(f"{figure} of {name}", float(value), not value, f"{slate}: {what}", "warning", high=0.0)
    if before:
        yield from spread_moved(name, now, found[before][name], before, history, users)


def _measured(connection: Connection, slate: str, as_of: date) -> Iterator[Level]:
    """What the release gate measured."""
    given = {"as_of": as_of, "slate": slate, "measures": list(_MEASURES)}
    for row in connection.execute(_SLATE_MEASURES, given):
        yield Level(f"{slate}/{row.measure}", row.value, row.segment, **_MEASURES[row.measure])


def _of_segments(connection: Connection, slate: str, as_of: date, before: date | None) -> Iterator[Level]:
    """Figures by segment: those of all users and of the segments that the release gate has."""
    given = {"as_of": as_of, "slate": slate, "before": before or as_of}
    for row in connection.execute(_SEGMENTS, given):
        yield Level(f"{slate}/popularity_percentile", row.popularity, row.segment, floor=_POPULARITY_FLOOR)
        if before and row.overlap is not None:
            # Lists of a week before have less in common than those of a day before: each is held against its own kind.
            metric = f"{slate}/overlap after {counted((as_of - before).days, 'day')}"
            yield Level(metric, row.overlap, row.segment, floor=_OVERLAP_FLOOR)


# The lists that the release gate has judged as they are. `before` is the newest date whose lists the same model made.
_BATCHES = text(
    "select batches.slate, batches.users, earlier.as_of as before, earlier.users as users_before"
    " from ml.recommendation_batches as batches inner join ml.slate_verdicts using (as_of, slate, made_at)"
    " left join lateral (select as_of, users"
    " from ml.recommendation_batches as others where others.slate = batches.slate"
    " and others.model_version = batches.model_version and others.as_of < :as_of"
    " and others.as_of >= :as_of - cast(:furthest as integer) order by others.as_of desc limit 1) as earlier on true"
    " where batches.as_of = :as_of order by batches.slate"
)
_SLATE_MEASURES = text(
    "select measure, segment, value from ml.slate_measures"
    " where as_of = :as_of and slate = :slate and measure = any(:measures) order by measure, segment"
)
# The percentile of a track: the share of the tracks heard that had fewer listeners, equals counting half
# (metrics/lists.py). The segments are those of the release gate.
_SEGMENTS = text(f"""
with popularity as materialized (
    select
        track_key,
        (rank() over (order by listeners) - 1 + count(*) over (partition by listeners) / 2.0)
            / count(*) over () as percentile
    from features.feat_track where as_of = :as_of
),
before as (
    select user_key, track_key from ml.recommendations where as_of = :before and slate = :slate and rank <= {FIRST}
),
had_lists as (select user_key from ml.recommendations where as_of = :before and slate = :slate and rank = 1),
lists as materialized (
    select
        now.user_key,
        avg(coalesce(popularity.percentile, 0)) as popularity,
        case
            when max(had_lists.user_key) is not null then count(before.track_key) / count(*)::double precision
        end as overlap
    from ml.recommendations as now
    left join popularity using (track_key)
    left join before on before.user_key = now.user_key and before.track_key = now.track_key
    left join had_lists on had_lists.user_key = now.user_key
    where now.as_of = :as_of and now.slate = :slate and now.rank <= {FIRST}
    group by now.user_key
),
thirds as (
    select percentile_cont(array[1 / 3.0, 2 / 3.0]) within group (order by listens) as at
    from features.feat_user where as_of = :as_of
)
select
    segment,
    avg(popularity)::double precision as popularity,
    percentile_cont(0.5) within group (order by overlap) as overlap
from lists
inner join (select * from features.feat_user where as_of = :as_of) as history using (user_key)
left join core.dim_users using (user_key)
cross join thirds
cross join lateral (values
    ('{ALL}'),
    (case when listens <= at[1] then 'light' when listens <= at[2] then 'medium' else 'heavy' end),
    (case when days_since_first <= {NEW_LISTENER_DAYS} then 'new' end),
    ('country: ' || country)
) as segments (segment)
where segment in (
    select segment from ml.slate_measures where as_of = :as_of and slate = :slate and measure = 'users_expected'
)
group by segment
order by segment
""")
