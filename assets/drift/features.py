"""What has moved in a feature mart: every number in it, and of users the country."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from assets.drift.spreads import Rows, measure_spreads
from quality.column_drift import History, judge_column, shares_moved
from quality.observations import ALL, Observation

# A week before, so that both dates have seen as many of each weekday; the features of most dates expire after some
# days, those of Mondays stay. What is longer ago was another catalogue: it is taken only where all that is nearer was
# refused.
NEAREST_DAYS, FURTHEST_DAYS = 7, 28
# Of older dates nothing is learned.
LEARNED_DAYS = 90
# The first listen stays the first.
_AGES = ("days_since_first",)
_COUNTRY = "country: "
_SHARE, _ROWS = "share of users", "rows"
# Of a user who states none.
_UNKNOWN = "not stated"


def check_name(mart: str) -> str:
    """The name of the check of a mart."""
    return f"{mart}_drift"


def asset_name(mart: str) -> str:
    """The asset that it is a check of, as `quality.validations` calls it."""
    return f"features/{mart}"


@dataclass(frozen=True)
class Moved:
    """What a mart is like as of a date. reference: the date with which it was compared, None where there is none."""

    reference: date | None
    observations: Sequence[Observation]


def measure_mart(connection: Connection, mart: str, as_of: date, history: History) -> Moved:
    """Every figure of a mart as of a date, against the nearest date a week or more before that has features."""
    observations = list(_countries(connection, as_of, history)) if mart == "feat_user" else []
    reference = reference_date(connection, mart, as_of)
    if reference is None:
        return Moved(None, observations)
    rows = rows_of(connection, mart)
    found = measure_spreads(connection, rows, reference, as_of)
    if as_of in found:
        now, before = found[as_of], found[reference]
        listeners = _listeners(connection, as_of), _listeners(connection, reference)
        for name in rows.columns:
            observations += judge_column(name, now[name], before[name], reference, history, listeners)
    return Moved(reference, observations)


def reference_date(connection: Connection, mart: str, as_of: date) -> date | None:
    """The nearest date to compare with that has rows in the mart and was not refused by this check when it last ran.

    The rows of a refused night stay in the mart: compared with them, the same fault would pass a week later.
    """
    given: dict[str, Any] = {"as_of": as_of, "nearest": NEAREST_DAYS, "furthest": FURTHEST_DAYS}
    given |= {"asset": asset_name(mart), "check_name": check_name(mart)}
    found: date | None = connection.scalar(text(_REFERENCE.format(mart=mart)), given)
    return found


def rows_of(connection: Connection, mart: str) -> Rows:
    """A mart and every number in it that is not a key, in the order of the table."""
    columns = connection.execute(_COLUMNS, {"mart": mart}).all()
    keys = tuple(row.column_name for row in columns if row.column_name.endswith("_key"))
    numbers = [row.column_name for row in columns if row.is_number and not row.column_name.endswith("_key")]
    ages = tuple(name for name in numbers if name in _AGES)
    return Rows(f"features.{mart}", keys, tuple(numbers), ages)


def _listeners(connection: Connection, as_of: date) -> int:
    """Who listened in the week before: what happened since then is of them alone."""
    query = text("select count(*) from features.feat_user where as_of = :as_of and listens_7d > 0")
    return int(connection.scalar(query, {"as_of": as_of}) or 0)


def _countries(connection: Connection, as_of: date, history: History) -> Sequence[Observation]:
    """The share of users of each country, against what it was when that was last kept a week or more before.

    The country of a user is what it is now: as of a date before, only what was observed then can be known.
    """
    counts = {row.country: row.users for row in connection.execute(_COUNTRIES, {"as_of": as_of, "unknown": _UNKNOWN})}
    users = sum(counts.values())
    if set(counts) <= {_UNKNOWN}:
        return []
    now = {name: count / users for name, count in counts.items()}
    kept = [
        Observation(_SHARE, share, True, "told, not judged", "info", f"{_COUNTRY}{name}")
        for name, share in sorted(now.items())
    ]
    kept.append(Observation(_ROWS, float(users), True, "told, not judged", "info"))
    known = [day for day, _ in history.get((_ROWS, ALL), ())]
    if not known:
        return kept
    reference = next((day for day in known if (as_of - day).days >= NEAREST_DAYS), known[-1])
    before = {
        segment.removeprefix(_COUNTRY): dict(values)[reference]
        for (metric, segment), values in history.items()
        if metric == _SHARE and reference in dict(values)
    }
    rows = users, int(dict(history[_ROWS, ALL])[reference])
    return kept + shares_moved("country", now, before, rows, reference, history)


# What nobody has judged may be compared with where it is near; what is older only where it passed.
_REFERENCE = """
with judged as (
    select distinct on (as_of) as_of, blocks, cast(:as_of as date) - as_of as ago
    from quality.validations
    where asset = :asset and check_name = :check_name and as_of <= cast(:as_of as date) - cast(:nearest as integer)
    order by as_of, validation_id desc
)
select dates.as_of
from (
    select cast(:as_of as date) - ago as as_of
    from generate_series(cast(:nearest as integer), cast(:furthest as integer)) as near (ago)
    union
    select as_of from judged
    where ago > :furthest and exists (select from judged as refused where refused.blocks and refused.ago <= :furthest)
) as dates
where
    not exists (select from judged where judged.as_of = dates.as_of and judged.blocks)
    and exists (select from features.{mart} as mart where mart.as_of = dates.as_of)
order by dates.as_of desc
limit 1
"""
_COLUMNS = text(
    "select column_name, data_type in ('smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision')"
    " as is_number from information_schema.columns where table_schema = 'features' and table_name = :mart"
    " order by ordinal_position"
)
_COUNTRIES = text(
    "select coalesce(country, :unknown) as country, count(*) as users from features.feat_user"
    " inner join core.dim_users using (user_key) where as_of = :as_of group by 1"
)
