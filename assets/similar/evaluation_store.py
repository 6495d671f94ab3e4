"""Evaluates similar tracks and artists as of a date and keeps the result in ml.similarity_evaluations."""

from datetime import date, timedelta
from typing import Any

import numpy as np
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, text

from assets.candidates.als import AlsConfig, fit_track_vectors
from assets.candidates.history import History
from assets.candidates.popular import Popular, PopularConfig
from assets.horizon import horizon_is_closed, require_closed_horizon
from assets.listens import Floats, Ints, Listens
from assets.similar.evaluation import SIMILAR, SimilarityEvaluation, evaluate, occurrences
from assets.similar.in_factors import InFactors
from assets.similar.lists import public_history, read_item_listens
from assets.similar.sources import InSessions, Item, PlainCosine, SimilarConfig, SimilaritySource, similar
from assets.slates import HORIZON_DAYS
from warehouse.errors import AudoticsError


class Published:
    """What is published, over all items of a history: of those that too few people heard, nothing."""

    name = SIMILAR

    def __init__(self, listens: Listens, history: History, config: SimilarConfig) -> None:
        self._items = len(history.tracks)
        self._public = public_history(listens, history.as_of, config.least_listeners)
        self._code = np.full(self._items, -1)
        if self._public is not None:
            self._columns = np.searchsorted(history.tracks, self._public.tracks)
            self._code[self._columns] = np.arange(len(self._columns))
            self._source = similar(self._public, config)

    def scores(self, codes: Ints) -> Floats:
        scores = np.zeros((len(codes), self._items), np.float32)
        known = self._code[codes] >= 0
        if known.any():
            scores[np.ix_(known, self._columns)] = self._source.scores(self._code[codes[known]])
        return scores


def compared_sources(listens: Listens, history: History, config: SimilarConfig) -> dict[str, SimilaritySource]:
    """What is published, by name; and beside it its parts, and baselines, of everything that was heard.

    The others may show what one listener alone hears: they are not published.
    """
    sources: list[SimilaritySource] = [
        Published(listens, history, config),
        InSessions(history, config),
        InFactors(fit_track_vectors(history, AlsConfig())),
        PlainCosine(history),
        Popular(history, PopularConfig()),
    ]
    return {source.name: source for source in sources}


def evaluate_similar(
    connection: dbapi.Connection, as_of: date, config: SimilarConfig
) -> dict[Item, SimilarityEvaluation]:
    """Compare lists learnt from the listens before the date with the sessions of the 14 days from it on.

    Items that nothing can be judged of are left out, as artists are where none is known.

    Raises:
        AudoticsError: the horizon is not over in the data, or nothing at all can be judged.
    """
    end = as_of + timedelta(days=HORIZON_DAYS)
    require_closed_horizon(connection, as_of, end)
    results = {}
    for item in Item:
        before = read_item_listens(connection, item, as_of).of_people(as_of)
        if not len(before):
            continue
        history = History(before, as_of)
        horizon = read_item_listens(connection, item, end, start=as_of).of_people(as_of)
        found = occurrences(horizon, history)
        if len(found):
            results[item] = evaluate(compared_sources(before, history, config), found, history)
    if not results:
        raise AudoticsError(
            f"cannot evaluate similar items as of {as_of}: no track heard before was heard next to others after it"
        )
    return results


def date_to_evaluate(connection: Connection) -> date | None:
    """The newest date that recommendations were made as of and whose horizon is over in the data.

    None when there is no such date, or it has been evaluated.
    """
    # Without lists there may be no models either, so nothing to ask for the horizon.
    made = connection.scalars(_DATES_MADE).all()
    return connection.scalar(_NEWEST_TO_EVALUATE, {"dates": made}) if made else None


def store_evaluation(connection: Connection, as_of: date, results: dict[Item, SimilarityEvaluation]) -> int:
    """Replace the rows of a date in ml.similarity_evaluations, one per item and model; return their number."""
    connection.execute(text("delete from ml.similarity_evaluations where as_of = :as_of"), {"as_of": as_of})
    rows = [_row(as_of, item, result, model) for item, result in results.items() for model in result.per_user]
    connection.execute(_INSERT, rows)
    return len(rows)


def _row(as_of: date, item: Item, result: SimilarityEvaluation, model: str) -> dict[str, Any]:
    delta, low, high = (None, None, None) if model == SIMILAR else result.ahead_of(model)
    return {
        "as_of": as_of,
        "item": str(item),
        "model": model,
        "users": result.users,
        "occurrences": result.occurrences,
        "recall_10": result.mean(model, "recall@10"),
        "recall_50": result.mean(model, "recall@50"),
        "similar_delta": delta,
        "ci95_low": low,
        "ci95_high": high,
        "horizon_days": HORIZON_DAYS,
    }


# The lists of similar items of old dates are not kept; a night makes them with the recommendations.
_DATES_MADE = text("select distinct as_of from ml.recommendation_batches")
_NEWEST_TO_EVALUATE = text(
    "select newest.as_of from (select max(made.as_of) as as_of from unnest(cast(:dates as date[])) as made (as_of)"
    f" where {horizon_is_closed('made.as_of')}) as newest"
    " where not exists (select from ml.similarity_evaluations as known where known.as_of = newest.as_of)"
)
_INSERT = text(
    "insert into ml.similarity_evaluations (as_of, item, model, users, occurrences, recall_10, recall_50,"
    " similar_delta, ci95_low, ci95_high, horizon_days, evaluated_at)"
    " values (:as_of, :item, :model, :users, :occurrences, :recall_10, :recall_50,"
    " :similar_delta, :ci95_low, :ci95_high, :horizon_days, now())"
)
