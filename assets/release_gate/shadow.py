"""Whether what made the lists of a night would have served listeners worse than what did serve them.

Lists as of an earlier date, which went live and whose two weeks are over, are made again by the models and the code of
the night, for a sample of users, and held against those that these users were served. What this cannot see, and why it
is not asked every night, says docs/adr/0057.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, text

from assets.horizon import horizon_is_closed
from assets.listens import Ints, Listens
from assets.metrics.intervals import bootstrap_interval
from assets.metrics.protocol import HEADLINE, per_user_metrics, relevant_tracks
from assets.ranker.lists import ListRules, read_list_rules
from assets.ranker.registry import Ordering
from assets.recommendations.store import models_of_lists
from assets.release_gate.bounds import LEAST_SHADOW_USERS
from assets.release_gate.measures import ALL, Measured
from assets.release_gate.sample import sampled_users
from assets.release_gate.verdicts import last_good
from assets.replay.lists import replay
from assets.slates import HORIZON_DAYS, Slate
from warehouse.dates import sql_date, sql_instant
from warehouse.errors import AudoticsError
from warehouse.frames import fetch_frame

# What was served longer ago served other listeners another catalogue.
_OLDEST_DAYS = 45
_SEED = 1
_NAMED = 3


@dataclass(frozen=True)
class Served:
    """The date of the lists that those of a slate are held against; None where nothing is measured, and why.

    carried: what was found of the same model and code on a night before, where it was refused for it and there is
    nothing any more to measure it by.
    """

    day: date | None
    why: str = ""
    carried: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Night:
    """What was measured on a night by the model and the code of the lists that are to be judged, and what it led to."""

    day: date
    refused: bool
    figures: Mapping[str, float]


@dataclass
class Shadow:
    """measured: every figure. said: by slate, in words, what was found or why nothing was measured."""

    measured: list[Measured] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Compared:
    """users: ascending. now, then: NDCG@100 of each, of the lists made again and of those that were served."""

    users: Ints
    now: npt.NDArray[np.float64]
    then: npt.NDArray[np.float64]


def comparable_dates(connection: Connection, as_of: date) -> list[date]:
    """The dates with features by the code of those as of `as_of`, and two weeks after them that are over in the data.

    Others do not compare: a ranker reads features as they were when it was trained. The role has to be the
    transformer's.
    """
    given = {
        "as_of": as_of,
        "oldest": as_of - timedelta(days=_OLDEST_DAYS),
        "newest": as_of - timedelta(days=HORIZON_DAYS),
    }
    return list(connection.scalars(_COMPARABLE, given))


def served_before(connection: Connection, as_of: date, dates: Sequence[date]) -> dict[Slate, Served]:
    """By slate that has lists as of a date, the lists that they are held against.

    Those of the newest of `dates` that went live. None where the same model and code made both, so that they would be
    the same, or were measured already on a night that was not refused, or that an operator let go live all the same.
    """
    newest = as_of - timedelta(days=HORIZON_DAYS - 1)
    days = last_good(connection, newest, released=True, among=dates)
    alike = {(row.slate, row.as_of) for row in connection.execute(_MADE_ALIKE, {"as_of": as_of})}
    nights = {
        row.slate: _Night(row.as_of, row.refused, row.figures)
        for row in connection.execute(_MEASURED, {"as_of": as_of, "least": LEAST_SHADOW_USERS})
    }
    return {
        slate: _served(as_of, days.get(slate), (slate, days.get(slate)) in alike, nights.get(slate))
        for slate in models_of_lists(connection, as_of)
    }


def _served(as_of: date, day: date | None, alike: bool, night: _Night | None) -> Served:
    """alike: whether the same model and code made the lists of `day`. night: the newest that measured them."""
    if alike:
        return Served(None, f"its model and code are those of the lists as of {day}, which were served")
    if night and not night.refused:
        return Served(None, f"its model and code were measured with the lists as of {night.day}")
    if day is not None:
        return Served(day)
    oldest = f"no lists of the last {_OLDEST_DAYS} days that were served have"
    why = f"{oldest} {HORIZON_DAYS} days of listens after them and features by the code of now"
    if night:
        days = night.figures["shadow_days"] + (as_of - night.day).days
        return Served(
            None,
            f"{why}; what was found with the lists as of {night.day} holds",
            {**night.figures, "shadow_days": days},
        )
    return Served(None, why)


def measure_shadow(
    connection: dbapi.Connection, as_of: date, models: Mapping[Slate, Ordering], served: Mapping[Slate, Served]
) -> Shadow:
    """The figures of each slate that is to be measured (`served_before`), by the models that ordered its lists.

    connection: one whose transactions end with their statement. A date that cannot be replayed is said, not raised.
    """
    shadow = Shadow(said={slate: f"not measured: {each.why}" for slate, each in served.items()})
    for slate, each in served.items():
        shadow.measured += [Measured(str(slate), name, ALL, value) for name, value in each.carried.items()]
    for day in sorted({each.day for each in served.values() if each.day}):
        of_day = {slate: models[slate] for slate, each in served.items() if each.day == day}
        try:
            found = _compare(connection, as_of, day, of_day)
        except AudoticsError as error:
            shadow.said |= dict.fromkeys(of_day, f"not measured: {error}")
            continue
        for slate, model in of_day.items():
            compared = found.get(slate) or _Compared(np.empty(0, np.int32), np.empty(0), np.empty(0))
            figures = _figures(compared) | {"shadow_days": float((as_of - day).days)}
            shadow.measured += [Measured(str(slate), name, ALL, value) for name, value in figures.items()]
            shadow.said[slate] = _said(connection, day, model.model_version, compared, figures)
    return shadow


def _compare(
    connection: dbapi.Connection, as_of: date, day: date, models: Mapping[Slate, Ordering]
) -> dict[Slate, _Compared]:
    """Lists as of a day made again by these models, beside those that were served; a slate of nobody is left out."""
    users = fetch_frame(connection, sampled_users(as_of, sql_date(day)))["user_key"].to_numpy(np.int32)
    before, horizon = _listens_of(connection, day, users)
    rules = read_list_rules(connection)
    now: defaultdict[Slate, list[pd.DataFrame]] = defaultdict(list)
    then: defaultdict[Slate, list[pd.DataFrame]] = defaultdict(list)
    for part in replay(connection, day, models, users, whole_batches=False):
        now[part.slate].append(part.lists)
        then[part.slate].append(unblocked(part.made_then, rules))
    found = {}
    for slate, lists in now.items():
        relevant = unblocked(relevant_tracks(before, horizon, day, slate), rules)
        served = pd.concat(then[slate])
        relevant = relevant[relevant["user_key"].isin(served["user_key"])]
        if len(relevant):
            judged, metrics = per_user_metrics(pd.concat(lists), relevant)
            found[slate] = _Compared(judged, metrics[HEADLINE], per_user_metrics(served, relevant)[1][HEADLINE])
    return found


def _listens_of(connection: dbapi.Connection, day: date, users: Ints) -> tuple[Listens, Listens]:
    """What users listened to before a day and in the 14 days after it: of each track the last time, in each of them."""
    end = day + timedelta(days=HORIZON_DAYS)
    frame = fetch_frame(
        connection,
        "select user_key, track_key, floor(extract(epoch from max(listened_at)))::bigint as listened_at,"
        " 0::bigint as session_key from core.fct_listens"
        f" where user_key = any($1) and listened_at < {sql_instant(end)}"
        f" group by user_key, track_key, listened_at >= {sql_instant(day)}",
        users,
    )
    listens = Listens.from_frame(frame)
    return listens.before(day), listens.between(day, end)


def unblocked(tracks: pd.DataFrame, rules: ListRules) -> pd.DataFrame:
    """Tracks of users without what these have blocked by now, which no list of now may hold; lists close the gaps."""
    user, track = tracks["user_key"].to_numpy(np.int32), tracks["track_key"].to_numpy(np.int32)
    left = tracks[~rules.blocked(user, track)]
    if "rank" not in left:
        return left
    left = left.sort_values(["user_key", "rank"])
    return left.assign(rank=left.groupby("user_key").cumcount() + 1)


def _figures(compared: _Compared) -> dict[str, float]:
    if not len(compared.users):
        return {"shadow_users": 0.0}
    difference = compared.now - compared.then
    low, high = bootstrap_interval(difference, seed=_SEED)
    return {
        "shadow_users": float(len(compared.users)),
        "shadow_ndcg": float(compared.now.mean()),
        "shadow_ndcg_then": float(compared.then.mean()),
        "shadow_delta": float(difference.mean()),
        "shadow_low": low,
        "shadow_high": high,
    }


def _said(
    connection: dbapi.Connection, day: date, version: str, compared: _Compared, figures: Mapping[str, float]
) -> str:
    """The comparison in words, and who lost most by it, if anybody."""
    if not len(compared.users):
        return f"nobody who was served as of {day} has listened to anything since that the slate may hold"
    difference = compared.now - compared.then
    told = (
        f"NDCG@100 {figures['shadow_ndcg']:.4f} by {version} and the code of now,"
        f" {figures['shadow_ndcg_then']:.4f} as served as of {day}: {figures['shadow_delta']:+.4f}"
        f" [{figures['shadow_low']:+.4f}, {figures['shadow_high']:+.4f}], of {len(compared.users):,} listeners"
    )
    most = np.argsort(difference, kind="stable")[:_NAMED]
    keys = compared.users[most[difference[most] < 0]]
    named = fetch_frame(connection, "select user_key, user_id from core.dim_users where user_key = any($1)", keys)
    ids = [str(user) for user in named.set_index("user_key")["user_id"].reindex(keys).dropna()]
    if not ids:
        return told
    return (
        f"{told}; most was lost by {', '.join(ids)}: `audotics replay --as-of {day} --model {version} --user {ids[0]}`"
    )


_COMPARABLE = text(
    "select as_of from builds.feature_dates as dates where as_of between :oldest and :newest and features_version ="
    " (select features_version from builds.feature_dates where as_of = :as_of)"
    f" and {horizon_is_closed('dates.as_of')} order by as_of"
)
_ALIKE = (
    " from ml.recommendation_batches as judged"
    " inner join ml.recommendation_batches as others using (slate, model_version, code_version)"
)
_MADE_ALIKE = text(f"select others.slate, others.as_of{_ALIKE} where judged.as_of = :as_of and others.as_of < :as_of")
# Lists that were made again since they were judged are others than the measured ones.
_MEASURED = text(
    "select distinct on (others.slate) others.slate, others.as_of,"
    " cardinality(refused_because) > 0 and accepted_at is null as refused, figures"
    f"{_ALIKE} inner join ml.slate_verdicts as verdicts on verdicts.as_of = others.as_of"
    " and verdicts.slate = others.slate and verdicts.made_at = others.made_at"
    " inner join lateral (select jsonb_object_agg(measure, value) as figures, max(value) filter"
    " (where measure = 'shadow_users') as users from ml.slate_measures as measures"
    " where measures.as_of = others.as_of and measures.slate = others.slate"
    f" and measure like 'shadow\\_%' and segment = '{ALL}') as found on found.users >= :least"
    " where judged.as_of = :as_of and others.as_of < :as_of order by others.slate, others.as_of desc"
)
