"""How good the lists of a date were, beside the baselines."""

from datetime import date

import dagster as dg

from assets import plots
from assets.candidates.pool import SourcesConfig
from assets.evaluation.store import RANKER, evaluate_recommendations, read_evaluation, read_rolling, store_evaluation
from assets.evaluation.tables import list_rows, metric_rows, pool_rows, segment_rows
from assets.partitions import AS_OF_PARTITIONS, ONE_DATE_PER_RUN, OWNERS
from assets.plots import table_of
from assets.recommendations.assets import recommendations
from warehouse.engine import adbc_connect, create_engine
from warehouse.resource import WarehouseResource
from warehouse.roles import Role

# Half a year of weekly evaluations.
_ROLLING_DATES = 26


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="evaluation",
    kinds={"python", "postgres"},
    owners=OWNERS,
    deps=[recommendations, dg.AssetKey(["core", "fct_listens"])],
    metadata={"dagster/table_name": "ml.model_evaluations"},
)
def model_evaluations(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """The lists made as of this date and the baselines, against what was listened to in the 14 days after it.

    Also what the lists of each are like, the ranker and the best baseline by segment of users and of tracks, and how
    much of what was listened to is among the candidates, by source.
    """
    as_of = date.fromisoformat(context.partition_key)
    with adbc_connect(warehouse.url, Role.SERVICE) as connection:
        results = evaluate_recommendations(connection, as_of, SourcesConfig())
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        store_evaluation(connection, as_of, results)
        stored = read_evaluation(connection, as_of)
        rolling = read_rolling(connection, as_of, _ROLLING_DATES)
    rows = metric_rows(stored)
    metadata: dict[str, dg.MetadataValue] = {
        "evaluation": table_of(rows),
        "lists": table_of(list_rows(stored)),
        "segments": table_of(segment_rows(stored)),
        "pool": table_of(pool_rows(stored)),
    }
    for slate, evaluated in stored["slates"].items():
        models = evaluated["models"]
        metadata[f"{slate}/users"] = dg.MetadataValue.int(evaluated["users"])
        metadata[f"{slate}/against_best_baseline"] = dg.MetadataValue.json(evaluated["paired"])
        metadata[f"{slate}/ndcg@100"] = dg.MetadataValue.md(
            plots.bars(f"{slate}: NDCG@100", {m: v["ndcg@100"] for m, v in models.items()}, marked=RANKER)
        )
    for slate, by_model in rolling.items():
        dates = sorted({day for of_model in by_model.values() for day in of_model})
        if len(dates) < 2:
            continue
        series = {model: [of_model.get(day) for day in dates] for model, of_model in by_model.items()}
        title = f"{slate}: NDCG@100 of the last {len(dates)} evaluated dates"
        metadata[f"{slate}/rolling_ndcg@100"] = dg.MetadataValue.md(plots.lines(title, dates, series, marked=RANKER))
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), **metadata})
