"""Training set and rankers."""

from datetime import date, timedelta

import dagster as dg

from assets import plots
from assets.candidates.pool import SourcesConfig
from assets.features.assets import FEATURE_KEYS
from assets.features.version import features_version
from assets.partitions import AS_OF_PARTITIONS, ONE_DATE_PER_RUN, OWNERS, WEEKLY, Materialized
from assets.ranker.card import page
from assets.ranker.challenge import Outcome, challenge
from assets.ranker.promotion import PromotionConfig
from assets.ranker.training import NotTrained, RankerConfig
from assets.ranker.training_config import read_training_config
from assets.ranker.training_set import newest_folds, update_training_set
from assets.slates import HORIZON_DAYS, Slate
from assets.staleness import code_digest
from quality.checks.suites import build_lake_check
from quality.checks.tables import Row, table_of
from quality.checks.upstream import stop_on_failed_checks
from quality.suites import lake as lake_suites
from warehouse.engine import MODELS_LOCK, adbc_reader, create_engine, exclusive
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="training",
    kinds={"python", "parquet"},
    owners=OWNERS,
    freshness_policy=WEEKLY,
    code_version=code_digest("assets.ranker.folds"),
    deps=[
        dg.AssetKey(["core", "fct_listens"]),
        dg.AssetKey(["core", "dim_unlikely_listeners"]),
        *FEATURE_KEYS,
    ],
)
def training_set(context: dg.AssetExecutionContext, warehouse: PostgresResource, lake: LakeResource) -> Materialized:
    """Labelled folds whose two weeks are over by `as_of`; folds already in the lake are kept."""
    stop_on_failed_checks(context)
    as_of = date.fromisoformat(context.partition_key)
    with (
        exclusive(warehouse.url, MODELS_LOCK, Role.SERVICE) as lock,
        adbc_reader(warehouse.url, Role.SERVICE) as reading,
    ):
        with create_engine(warehouse.url, Role.TRANSFORMER).connect() as builds:
            version = features_version(builds)
        folds = update_training_set(reading, lake.open(), as_of, SourcesConfig(), RankerConfig(), version, lock)
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
    nothing = (
        f"no fold: rankers as of {as_of} need listens before {as_of - timedelta(days=HORIZON_DAYS)} by users who also"
        " listened later"
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(fold.rows for fold in folds),
            "folds": table_of(rows),
            **({} if folds else {"left_out": nothing}),
        }
    )


training_set_check = build_lake_check(
    lake_suites.training_set, lambda lake, as_of: newest_folds(lake, as_of, RankerConfig()), AS_OF_PARTITIONS
)


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="training",
    kinds={"python", "lightgbm"},
    owners=OWNERS,
    freshness_policy=WEEKLY,
    code_version=code_digest("assets.ranker.challenge"),
    deps=[training_set],
    check_specs=[
        dg.AssetCheckSpec(
            "challenger_promoted",
            asset="rankers",
            partitions_def=AS_OF_PARTITIONS,
            description="There was something to learn from, and the gate let every ranker that was trained serve. Where"
            " it did not, the incumbent goes on.",
        )
    ],
    metadata={"dagster/table_name": "ml.models"},
)
def rankers(context: dg.AssetExecutionContext, warehouse: PostgresResource, lake: LakeResource) -> Materialized:
    """One LightGBM ranker per slate; those that the gate finds no worse than the incumbents serve from this date on.

    Trained with what the newest `ranker_search` of this date or earlier chose, else with the defaults.

    A slate with nothing to learn from yet, such as `rediscover` in the first two months or any of a few listeners, gets
    none; `left_out` says why.
    """
    stop_on_failed_checks(context)
    as_of = date.fromisoformat(context.partition_key)
    engine, store = create_engine(warehouse.url, Role.SERVICE), lake.open()
    with engine.connect() as connection:
        configs = {slate: read_training_config(connection, slate, as_of) for slate in Slate}
    challenged = {slate: challenge(engine, store, slate, as_of, configs[slate], PromotionConfig()) for slate in Slate}
    outcomes = {slate: outcome for slate, outcome in challenged.items() if isinstance(outcome, Outcome)}
    left_out = {
        slate: f"no ranker of {slate} was trained: {outcome.reason}"
        for slate, outcome in challenged.items()
        if isinstance(outcome, NotTrained)
    }
    for outcome in outcomes.values():
        if not outcome.decision.promoted:
            context.log.warning(_verdict(outcome))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(outcomes),
            **{f"{slate}/left_out": dg.MetadataValue.text(reason) for slate, reason in left_out.items()},
            **{name: value for slate, outcome in outcomes.items() for name, value in _shown(slate, outcome).items()},
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="challenger_promoted",
                passed=bool(outcomes) and all(outcome.decision.promoted for outcome in outcomes.values()),
                severity=dg.AssetCheckSeverity.WARN,
                description="\n".join([*map(_verdict, outcomes.values()), *left_out.values()]),
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
    if card["holdout"] and (bins := card["holdout"]["calibration"]):
        observed = [each["listened"] for each in bins]
        images += "\n\n" + plots.calibration(f"{slate}: calibration", [each["predicted"] for each in bins], observed)
    return {
        f"{slate}/model_version": dg.MetadataValue.text(outcome.challenger.model_version),
        f"{slate}/decision": dg.MetadataValue.text(_verdict(outcome)),
        f"{slate}/rows": dg.MetadataValue.int(model.rows),
        f"{slate}/positives": dg.MetadataValue.int(model.positives),
        f"{slate}/card": dg.MetadataValue.md(page(card, images)),
    }
