"""Similar tracks and similar artists, and how well they are found."""

from datetime import date

import dagster as dg

from assets.partitions import AS_OF_PARTITIONS, NIGHTLY, ONE_DATE_PER_RUN, OWNERS, Materialized
from assets.similar.evaluation import METRICS, SIMILAR
from assets.similar.evaluation_store import evaluate_similar, store_evaluation
from assets.similar.lists import most_heard, named_examples, public_history, read_item_listens, similar_rows
from assets.similar.sources import Item, SimilarConfig
from assets.similar.store import replace_similar
from assets.staleness import code_digest
from quality.checks.tables import Row, table_of
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import adbc_connect, adbc_reader, create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role

_EXAMPLES = 8
_LEARNT_FROM = [dg.AssetKey(["core", name]) for name in ("fct_listens", "dim_tracks", "dim_unlikely_listeners")]


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="recommendations",
    kinds={"python", "postgres"},
    owners=OWNERS,
    freshness_policy=NIGHTLY,
    code_version=code_digest("assets.similar.lists"),
    deps=_LEARNT_FROM,
    metadata={"dagster/table_name": "ml.similar_tracks"},
)
def similar_tracks(context: dg.AssetExecutionContext, warehouse: PostgresResource) -> Materialized:
    """The 50 tracks most like each track: heard in the same sessions, and by the same listeners, before this date.

    Of a track, those that at least 3 people heard as well: anybody may see the lists.
    """
    stop_on_failed_checks(context)
    return _materialise(warehouse, Item.TRACK, date.fromisoformat(context.partition_key))


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="recommendations",
    kinds={"python", "postgres"},
    owners=OWNERS,
    freshness_policy=NIGHTLY,
    code_version=code_digest("assets.similar.lists"),
    deps=[*_LEARNT_FROM, dg.AssetKey(["core", "dim_artists"])],
    metadata={"dagster/table_name": "ml.similar_artists"},
)
def similar_artists(context: dg.AssetExecutionContext, warehouse: PostgresResource) -> Materialized:
    """The 50 artists most like each artist, found as similar tracks are; tracks without a known artist say nothing."""
    stop_on_failed_checks(context)
    return _materialise(warehouse, Item.ARTIST, date.fromisoformat(context.partition_key))


def _materialise(warehouse: PostgresResource, item: Item, as_of: date) -> Materialized:
    with adbc_reader(warehouse.url, Role.SERVICE) as connection:
        listens = read_item_listens(connection, item, as_of)
    # None where no artist is known, or too few people share what they hear.
    history = public_history(listens, as_of)
    tables = similar_rows(history, item, SimilarConfig()) if history else ()
    with adbc_connect(warehouse.url, Role.SERVICE) as connection:
        rows = replace_similar(connection, item, as_of, tables)
    examples: list[tuple[str, str]] = []
    if history:
        with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
            examples = named_examples(connection, item, as_of, most_heard(history, _EXAMPLES))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            f"{item}s": len(history.tracks) if history else 0,
            "most_heard": table_of([{str(item): name, "most_like_it": similar} for name, similar in examples]),
        }
    )


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="similarity_evaluation",
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version=code_digest("assets.similar.evaluation_store"),
    deps=_LEARNT_FROM,
    metadata={"dagster/table_name": "ml.similarity_evaluations"},
)
def similarity_evaluations(context: dg.AssetExecutionContext, warehouse: PostgresResource) -> Materialized:
    """Similar tracks and artists as of this date, and plain cosine beside them, against the sessions of the 14 days
    after it. The lists are made again: those of old dates are not kept.
    """
    stop_on_failed_checks(context)
    as_of = date.fromisoformat(context.partition_key)
    with adbc_reader(warehouse.url, Role.SERVICE) as connection:
        results = evaluate_similar(connection, as_of, SimilarConfig())
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        stored = store_evaluation(connection, as_of, results)
    rows: list[Row] = []
    metadata: dict[str, dg.MetadataValue] = {}
    for item, result in results.items():
        means = {model: {metric: result.mean(model, metric) for metric in METRICS} for model in result.per_user}
        rows += [
            {"item": str(item), "model": model, **{m: round(v, 4) for m, v in values.items()}}
            for model, values in means.items()
        ]
        metadata[f"{item}/users"] = dg.MetadataValue.int(result.users)
        metadata[f"{item}/occurrences"] = dg.MetadataValue.int(result.occurrences)
        metadata |= {f"{item}/{metric}": dg.MetadataValue.float(value) for metric, value in means[SIMILAR].items()}
    return dg.MaterializeResult(metadata={"dagster/row_count": stored, "evaluation": table_of(rows), **metadata})
