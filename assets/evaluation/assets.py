"""How good the lists of a date were, beside the baselines."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from assets.candidates.pool import SourcesConfig
from assets.candidates.registry import sources_off
from assets.evaluation.store import RANKER, evaluate_recommendations, read_evaluation, store_evaluation
from assets.evaluation.tables import candidate_recall_rows, list_rows, metric_rows, segment_rows
from assets.partitions import AS_OF_PARTITIONS, ONE_DATE_PER_RUN, OWNERS, Materialized
from assets.recommendations.assets import recommendations
from assets.staleness import code_digest
from quality.checks.tables import table_of
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import adbc_reader, create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role


class EvaluationOptions(dg.Config):
    """What to report beside the ranker, the baselines and the sources in the pool.

    also_sources: names of sources that are off, to be fitted and their candidate recall measured; "all" of them.
    """

    also_sources: list[str] = Field(default_factory=list)


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="evaluation",
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version=code_digest("assets.evaluation.store"),
    deps=[recommendations, *(dg.AssetKey(["core", name]) for name in ("fct_listens", "dim_unlikely_listeners"))],
    metadata={"dagster/table_name": "ml.model_evaluations"},
)
def model_evaluations(
    context: dg.AssetExecutionContext, config: EvaluationOptions, warehouse: PostgresResource
) -> Materialized:
    """The lists made as of this date and the baselines, against what was listened to in the 14 days after it.

    Also what the lists of each are like, the ranker and the best baseline by segment of users and of tracks, and how
    much of what was listened to is among the candidates, by source.
    """
    stop_on_failed_checks(context)
    as_of = date.fromisoformat(context.partition_key)
    off = sources_off(config.also_sources)
    with adbc_reader(warehouse.url, Role.SERVICE) as connection:
        results = evaluate_recommendations(connection, as_of, SourcesConfig(), off)
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        store_evaluation(connection, as_of, results)
        stored = read_evaluation(connection, as_of)
    rows = metric_rows(stored)
    metadata: dict[str, dg.MetadataValue] = {
        "evaluation": table_of(rows),
        "lists": table_of(list_rows(stored)),
        "segments": table_of(segment_rows(stored)),
        "candidate_recall": table_of(candidate_recall_rows(stored)),
    }
    for slate, evaluated in stored["slates"].items():
        metadata |= {f"{slate}/{name}": value for name, value in _figures(evaluated).items()}
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), **metadata})


def _figures(evaluated: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """What is followed over the dates, as numbers, which Dagster plots over partitions."""
    figures: dict[str, dg.MetadataValue] = {"users": dg.MetadataValue.int(evaluated["users"])}
    for metric, value in evaluated["models"][RANKER].items():
        figures[metric] = dg.MetadataValue.float(value)
    if (coverage := evaluated["lists"][RANKER]["coverage@100"]) is not None:
        figures["coverage@100"] = dg.MetadataValue.float(coverage)
    if pool := evaluated["pool"]:
        figures["candidate_recall"] = dg.MetadataValue.float(pool["recall"]["mean"])
    if paired := evaluated["paired"]:
        figures["best_baseline"] = dg.MetadataValue.text(paired["against"])
        for name, value in zip(("delta", "low", "high"), (paired["delta"], *paired["ci95"]), strict=True):
            figures[f"{paired['metric']}_against_best_baseline/{name}"] = dg.MetadataValue.float(value)
    return figures
