"""Evaluates what was recommended as of a date and keeps the result in ml.model_evaluations."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from assets.candidates.pool import SourcesConfig, fit_sources
from assets.candidates.registry import needed_facts
from assets.catalogue import read_catalogue
from assets.evaluation.baselines import baseline_lists, reported, source_lists
from assets.evaluation.description import Describer, Description
from assets.horizon import horizon_is_closed, require_closed_horizon, somebody_to_judge
from assets.listens import Listens, read_listens
from assets.metrics.candidate_recall import candidate_recall
from assets.metrics.intervals import bootstrap_interval
from assets.metrics.lists import FIGURES
from assets.metrics.protocol import HEADLINE, SlateEvaluation, evaluate, relevant_tracks
from assets.recommendations.store import dates_with_recommendations, read_lists
from assets.slates import HORIZON_DAYS, Slate
from warehouse.errors import AudoticsError

RANKER = "ranker"
_SEED = 1


@dataclass(frozen=True)
class EvaluatedSlate:
    """The evaluation of one slate, the version of the ranker whose lists were judged, what all lists are like, and what
    is in the pools that the ranker chose from (`candidate_recall`).
    """

    slate: Slate
    model_version: str
    evaluation: SlateEvaluation
    description: Description
    pool: dict[str, Any]


def evaluate_recommendations(
    connection: dbapi.Connection, as_of: date, sources: SourcesConfig, off: Collection[str] = ()
) -> list[EvaluatedSlate]:
    """Compare the lists in ml.recommendations, and the baselines, with what was listened to in the horizon.

    off: sources that are off, whose candidate recall is to be measured as well.
    A slate for which nobody has a relevant track is left out.

    Raises:
        AudoticsError: the horizon is not over in the data, no lists were made as of the date, or nobody who had
            listened before it listened in the horizon.
    """
    versions = _model_versions(connection, as_of)
    before, horizon = read_window(connection, as_of)
    names = reported(sources.sizes, off)
    fitted = fit_sources(before, as_of, sources, read_catalogue(connection, needed_facts(names)))
    describer = Describer(connection, before, as_of)
    results = []
    for slate, version in versions.items():
        relevant = relevant_tracks(before, horizon, as_of, slate)
        if not len(relevant):
            continue
        users = relevant["user_key"].unique()
        lists = read_lists(connection, as_of, slate, users)
        alone = source_lists(fitted, names, slate, users)
        ranked = {RANKER: lists, **baseline_lists(alone)}
        evaluation = evaluate(ranked, relevant, model=RANKER, seed=_SEED)
        description = describer.describe(evaluation, ranked, relevant, RANKER)
        pool = candidate_recall(alone, fitted.sizes, relevant, _SEED)
        results.append(EvaluatedSlate(slate, version, evaluation, description, pool))
    if not results:
        raise AudoticsError(_nothing_relevant(as_of, *versions))
    return results


def read_window(connection: dbapi.Connection, as_of: date) -> tuple[Listens, Listens]:
    """Listens before `as_of`, and those of the horizon; AudoticsError when that is not over in the data."""
    end = as_of + timedelta(days=HORIZON_DAYS)
    require_closed_horizon(connection, as_of, end)
    return read_listens(connection, as_of), read_listens(connection, end, start=as_of)


def required_relevant(before: Listens, horizon: Listens, as_of: date, slate: Slate) -> pd.DataFrame:
    """`relevant_tracks`; AudoticsError when there are none."""
    relevant = relevant_tracks(before, horizon, as_of, slate)
    if not len(relevant):
        raise AudoticsError(_nothing_relevant(as_of, slate))
    return relevant


def _nothing_relevant(as_of: date, *slates: Slate) -> str:
    return f"cannot evaluate {', '.join(slates)} as of {as_of}: no user with history has a relevant track"


def store_evaluation(connection: Connection, as_of: date, results: list[EvaluatedSlate]) -> None:
    """Replace the rows of a date in ml.model_evaluations, one per slate and model."""
    connection.execute(text("delete from ml.model_evaluations where as_of = :as_of"), {"as_of": as_of})
    for result in results:
        connection.execute(_INSERT, [_row(as_of, result, model) for model in result.evaluation.per_user])


def read_evaluation(connection: Connection, as_of: date) -> dict[str, Any]:
    """The stored evaluation of a date: horizon, and per slate users, metrics per model, the paired comparison with the
    best baseline, the figures of the lists per model, the segments and the pool of candidates. Slates are empty when
    nothing is stored.
    """
    slates: dict[str, Any] = {}
    for row in connection.execute(_SELECT, {"as_of": as_of}):
        slate = slates.setdefault(
            row.slate,
            # Of the ranker, whose row comes first.
            {
                "users": row.users,
                "models": {},
                "paired": None,
                "lists": {},
                "segments": row.segments,
                "pool": row.pool,
            },
        )
        slate["models"][row.model] = {
            "ndcg@10": row.ndcg_10,
            "ndcg@100": row.ndcg_100,
            "recall@100": row.recall_100,
        }
        slate["lists"][row.model] = {figure: getattr(row, _column(figure)) for figure in FIGURES}
        if row.model != RANKER and slate["paired"] is None:
            slate["paired"] = {
                "against": row.model,
                "metric": HEADLINE,
                "delta": row.ranker_delta,
                "ci95": [row.ci95_low, row.ci95_high],
            }
    return {"as_of": as_of.isoformat(), "horizon_days": HORIZON_DAYS, "slates": slates}


def dates_to_evaluate(connection: Connection) -> list[date]:
    """The dates that have lists, a horizon that is over in the data with somebody to judge them by, and no evaluation
    yet, oldest first.
    """
    made = dates_with_recommendations(connection)
    # Without lists there may be no models either, so nothing to ask for the horizon.
    return list(connection.scalars(_TO_EVALUATE, {"dates": made})) if made else []


def newest_date_over(connection: Connection) -> date:
    """The newest date that has lists and a horizon that is over in the data.

    Raises:
        AudoticsError: there is none; it says when there will be one, and whether an earlier date could be it.
    """
    made = dates_with_recommendations(connection)
    if not made:
        raise AudoticsError(
            f"no lists were made yet: run `audotics run --as-of` with a date that is followed by {HORIZON_DAYS} days of"
            " listens, then this again"
        )
    newest: date | None = connection.scalar(_NEWEST_OVER, {"dates": made})
    if newest is None:
        raise AudoticsError(_none_over(connection, made[0]))
    return newest


def _none_over(connection: Connection, oldest: date) -> str:
    """When the first lists can be evaluated, and which date could be now."""
    end = oldest + timedelta(days=HORIZON_DAYS)
    could_be = connection.scalar(_COULD_BE_OVER)
    earlier = f", or now those of an earlier date: `audotics run --as-of {could_be}`" if could_be else ""
    return (
        f"no lists can be evaluated yet: the oldest, as of {oldest}, can be once listens from {end} on are"
        f" ingested{earlier}"
    )


def _row(as_of: date, result: EvaluatedSlate, model: str) -> dict[str, Any]:
    metrics = result.evaluation.per_user[model]
    row: dict[str, Any] = {
        "as_of": as_of,
        "slate": str(result.slate),
        "model": model,
        "model_version": result.model_version if model == RANKER else None,
        "users": len(result.evaluation.users),
        "ndcg_10": float(metrics["ndcg@10"].mean()),
        "ndcg_100": float(metrics["ndcg@100"].mean()),
        "recall_100": float(metrics["recall@100"].mean()),
        "horizon_days": HORIZON_DAYS,
        "ranker_delta": None,
        "ci95_low": None,
        "ci95_high": None,
        "segments": result.description.segments if model == RANKER else None,
        "pool": result.pool if model == RANKER else None,
        **{_column(figure): value for figure, value in result.description.lists[model].items()},
    }
    if model != RANKER:
        difference = result.evaluation.per_user[RANKER][HEADLINE] - metrics[HEADLINE]
        row["ranker_delta"] = float(difference.mean())
        row["ci95_low"], row["ci95_high"] = bootstrap_interval(difference, seed=_SEED)
    return row


def _column(figure: str) -> str:
    """The column of a figure: novelty_10 of novelty@10."""
    return figure.replace("@", "_")


def _model_versions(connection: dbapi.Connection, as_of: date) -> dict[Slate, str]:
    """The versions of the rankers whose lists were made; AudoticsError when none were."""
    with connection.cursor() as cursor:
        cursor.execute("select slate, model_version from ml.recommendation_batches where as_of = $1", (as_of,))
        made = dict(cursor.fetchall())
    if not made:
        raise AudoticsError(f"no lists were made as of {as_of}: run `audotics run --as-of {as_of}` first")
    return {slate: made[slate] for slate in Slate if slate in made}


_FIGURE_COLUMNS = [_column(figure) for figure in FIGURES]
_INSERT = text(
    "insert into ml.model_evaluations (as_of, slate, model, model_version, users, ndcg_10, ndcg_100, recall_100,"
    f" ranker_delta, ci95_low, ci95_high, {', '.join(_FIGURE_COLUMNS)}, segments, pool, horizon_days, evaluated_at)"
    " values (:as_of, :slate, :model, :model_version, :users, :ndcg_10, :ndcg_100, :recall_100, :ranker_delta,"
    f" :ci95_low, :ci95_high, {', '.join(f':{name}' for name in _FIGURE_COLUMNS)}, :segments, :pool, :horizon_days,"
    " now())"
).bindparams(*(bindparam(name, type_=JSONB(none_as_null=True)) for name in ("segments", "pool")))
_TO_EVALUATE = text(
    "select made.as_of from unnest(cast(:dates as date[])) as made (as_of)"
    " where not exists (select from ml.model_evaluations as known where known.as_of = made.as_of)"
    f" and {horizon_is_closed('made.as_of')} and {somebody_to_judge('made.as_of')} order by made.as_of"
)
_NEWEST_OVER = text(
    "select made.as_of from unnest(cast(:dates as date[])) as made (as_of)"
    f" where {horizon_is_closed('made.as_of')} order by made.as_of desc limit 1"
)
_COULD_BE_OVER = text(
    f"select last_day - {HORIZON_DAYS} from (select (min(listened_at) at time zone 'UTC')::date as first_day,"
    " (max(listened_at) at time zone 'UTC')::date as last_day from core.fct_listens) as span"
    f" where last_day - {HORIZON_DAYS} > first_day"
)
# The ranker first, then the baselines from the best down.
_SELECT = text(
    "select * from ml.model_evaluations where as_of = :as_of"
    f" order by array_position(array{[str(slate) for slate in Slate]}, slate),"
    f" (model = '{RANKER}') desc, ndcg_100 desc, model"
)
