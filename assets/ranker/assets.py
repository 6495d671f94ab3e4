"""Training set, rankers, ranked lists and their evaluation."""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
import numpy as np
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets import plots
from assets.candidates.assets import candidates_path
from assets.candidates.pool import SourcesConfig
from assets.dbt import AS_OF_PARTITIONS, FEATURE_KEYS, ONE_DATE_PER_RUN, OWNERS, features_version
from assets.ingest.blocks import settled_blocks
from assets.ranker.card import page
from assets.ranker.challenge import Outcome, challenge
from assets.ranker.code_version import code_version
from assets.ranker.evaluation_store import (
    RANKER,
    evaluate_recommendations,
    read_evaluation,
    read_rolling,
    store_evaluation,
)
from assets.ranker.evaluation_tables import Row, list_rows, metric_rows, pool_rows, segment_rows
from assets.ranker.feature_dates import listens_version
from assets.ranker.features import join_features
from assets.ranker.marts import feature_reader, read_list_rules
from assets.ranker.promotion import PromotionConfig
from assets.ranker.reasons import with_reasons
from assets.ranker.recipe import read_recipe
from assets.ranker.recommendations import MadeFrom, as_rows, replace_recommendations
from assets.ranker.registry import Champion, champions
from assets.ranker.scoring import rank
from assets.ranker.slates import Slate
from assets.ranker.training import RankerConfig
from assets.ranker.training_set import update_training_set
from warehouse.engine import MODELS_LOCK, adbc_connect, create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.resource import WarehouseResource
from warehouse.roles import Role

# Half a year of weekly evaluations.
_ROLLING_DATES = 26
_CHAMPION_WINDOW = dg.TimeWindowPartitionMapping(start_offset=-6)


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="training",
    kinds={"python", "parquet"},
    owners=OWNERS,
    deps=[
        dg.AssetKey(["core", "fct_listens"]),
        *FEATURE_KEYS,
    ],
)
def training_set(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Labelled folds whose two weeks are over by `as_of`; folds already in the lake are kept."""
    as_of = date.fromisoformat(context.partition_key)
    with exclusive(warehouse.url, MODELS_LOCK, Role.SERVICE), adbc_connect(warehouse.url, Role.SERVICE) as connection:
        folds = update_training_set(
            connection, Lake(warehouse.lake), as_of, SourcesConfig(), RankerConfig(), features_version()
        )
    rows: list[Row] = [
        {
            "fold": fold.as_of.isoformat(),
            "slate": str(fold.slate),
            "rows": fold.rows,
            "positives": fold.positives,
            "built_now": fold.built,
        }
        for fold in folds
    ]
    return dg.MaterializeResult(
        metadata={"dagster/row_count": sum(fold.rows for fold in folds), "folds": table_of(rows)}
    )


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="training",
    kinds={"python", "lightgbm"},
    owners=OWNERS,
    deps=[training_set],
    check_specs=[
        dg.AssetCheckSpec(
            "challenger_promoted",
            asset="rankers",
            partitions_def=AS_OF_PARTITIONS,
            description="The gate let the ranker of every slate serve. Where it did not, the incumbent goes on.",
        )
    ],
    metadata={"dagster/table_name": "ml.models"},
)
def rankers(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """One LightGBM ranker per slate; those that the gate finds no worse than the incumbents serve from this date on.

    Trained with what the newest `ranker_search` of this date or earlier chose, else with the defaults.

    A slate of which nothing can be learned yet, such as `rediscover` in the first two months, gets none.
    """
    as_of = date.fromisoformat(context.partition_key)
    engine, lake = create_engine(warehouse.url, Role.SERVICE), Lake(warehouse.lake)
    with engine.connect() as connection:
        recipes = {slate: read_recipe(connection, slate, as_of) for slate in Slate}
    challenged = {slate: challenge(engine, lake, slate, as_of, recipes[slate], PromotionConfig()) for slate in Slate}
    outcomes = {slate: outcome for slate, outcome in challenged.items() if outcome is not None}
    if not outcomes:
        raise AudoticsError(
            f"nothing to learn from as of {as_of}: in no fold was one candidate listened to and another not;"
            " ingest more listeners or more history, or choose a later --as-of"
        )
    for outcome in outcomes.values():
        if not outcome.decision.promoted:
            context.log.warning(_verdict(outcome))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(outcome.challenger.model.rows for outcome in outcomes.values()),
            **{
                f"{slate}/model_version": dg.MetadataValue.text("none: nothing to learn from yet")
                for slate in Slate
                if slate not in outcomes
            },
            **{name: value for slate, outcome in outcomes.items() for name, value in _shown(slate, outcome).items()},
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="challenger_promoted",
                passed=all(outcome.decision.promoted for outcome in outcomes.values()),
                severity=dg.AssetCheckSeverity.WARN,
                description="\n".join(_verdict(outcome) for outcome in outcomes.values()),
                metadata={str(slate): outcome.decision.figures or {} for slate, outcome in outcomes.items()},
            )
        ],
    )


def _verdict(outcome: Outcome) -> str:
    decided = "promoted" if outcome.decision.promoted else "REFUSED, the incumbent goes on serving"
    return f"{outcome.challenger.model_version} {decided}: {'; '.join(outcome.decision.reasons)}"


def _shown(slate: Slate, outcome: Outcome) -> dict[str, dg.MetadataValue]:
    """What the asset's page says of one slate: the decision, the card with its plots."""
    card, model = outcome.card, outcome.challenger.model
    strongest = dict(list(model.gain.items())[:15])
    images = plots.bars(f"{slate}: share of gain of the 15 strongest features", strongest)
    if card["held_out"] and (bins := card["held_out"]["calibration"]):
        observed = [each["listened"] for each in bins]
        images += "\n\n" + plots.calibration(f"{slate}: calibration", [each["predicted"] for each in bins], observed)
    return {
        f"{slate}/model_version": dg.MetadataValue.text(outcome.challenger.model_version),
        f"{slate}/decision": dg.MetadataValue.text(_verdict(outcome)),
        f"{slate}/rows": dg.MetadataValue.int(model.rows),
        f"{slate}/positives": dg.MetadataValue.int(model.positives),
        f"{slate}/card": dg.MetadataValue.md(page(card, images)),
    }


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="recommendations",
    kinds={"python", "lightgbm", "postgres"},
    owners=OWNERS,
    # A night is served by the champion, as a rule one of the last week's.
    deps=[
        "candidates",
        dg.AssetKey(["core", "dim_tracks"]),
        *FEATURE_KEYS,
        dg.AssetDep(rankers, partition_mapping=_CHAMPION_WINDOW),
    ],
    metadata={"dagster/table_name": "ml.recommendations"},
)
def recommendations(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """The 100 best candidates of every user and slate by its champion as of this date, and why.

    A slate without a champion has no lists.
    """
    as_of = date.fromisoformat(context.partition_key)
    lake = Lake(warehouse.lake)
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        serving = champions(connection, lake, as_of)
    with create_engine(warehouse.url, Role.TRANSFORMER).connect() as connection:
        listens = listens_version(connection, as_of)
    code = code_version(features_version())
    by_source: dict[str, float] = {}
    with adbc_connect(warehouse.url, Role.SERVICE) as reading, adbc_connect(warehouse.url, Role.SERVICE) as writing:
        made_from = MadeFrom(*settled_blocks(reading), listens, code)
        tables = _ranked(reading, lake, as_of, serving, by_source)
        rows = replace_recommendations(writing, as_of, tables, made_from)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "by_source": dg.MetadataValue.md(
                plots.bars("recommended tracks by the source that ranked them highest", by_source)
            ),
            **{f"{slate}/model_version": best.model_version for slate, best in serving.items()},
        }
    )


def _ranked(
    connection: dbapi.Connection,
    lake: Lake,
    as_of: date,
    serving: dict[Slate, Champion],
    by_source: dict[str, float],
) -> Iterator[pa.Table]:
    """Rows of ml.recommendations, one batch of users at a time; counts them per source on the way."""
    features_of = feature_reader(connection, as_of)
    rules = read_list_rules(connection)
    # The files hold the same users batch by batch, so their features are read once.
    for batch in zip(*(lake.read_parquet(candidates_path(as_of, slate)) for slate in serving), strict=True):
        pools = {slate: table.to_pandas() for slate, table in zip(serving, batch, strict=True) if table.num_rows}
        if not pools:
            continue
        features = features_of(np.unique(np.concatenate([pool["user_key"].to_numpy() for pool in pools.values()])))
        for slate, pool in pools.items():
            best = serving[slate]
            matrix = join_features(pool, features)
            lists = rank(best.model, pool, matrix, rules.of_slate(slate, features.user_track))
            lists = with_reasons(best.model, lists, pool, matrix, rules)
            for source, count in lists["source"].value_counts().items():
                by_source[str(source)] = by_source.get(str(source), 0) + int(count)
            yield as_rows(lists, as_of, slate, best.model_version)


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


def table_of(rows: Sequence[Row]) -> dg.MetadataValue:
    """A table of rows that all have the names of the first, each of one kind or null; without rows an empty one."""
    kinds = {str: "string", int: "int", float: "float", bool: "bool"}
    columns = []
    for name in rows[0] if rows else ():
        found = (row[name] for row in rows if row[name] is not None)
        columns.append(dg.TableColumn(name, kinds[type(next(found, 0.0))]))
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns=columns))
