"""The search for training parameters as an asset."""

from collections.abc import Callable
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from assets import plots
from assets.candidates.pool import SourcesConfig
from assets.features.version import features_version
from assets.partitions import AS_OF_PARTITIONS, ONE_DATE_PER_RUN, OWNERS, Materialized
from assets.ranker.training import RankerConfig
from assets.ranker.training_set import load_folds, stored_holdouts, update_training_set
from assets.search.search import search
from assets.search.store import described_choice, read_trials, replace_trials
from assets.search.trial import SearchConfig, Trial
from assets.search.validation import read_validation
from assets.slates import Slate
from assets.staleness import code_digest
from quality.checks.tables import Row, table_of
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import MODELS_LOCK, adbc_reader, create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role

# Shown in this order; the others of RankerConfig are never searched.
_PARAMETERS = (
    "objective",
    "folds",
    "negatives",
    "user_weight",
    "trees",
    "leaves",
    "learning_rate",
    "min_child_samples",
    "lambda_l2",
    "feature_fraction",
    "bagging_fraction",
)


class SearchOptions(dg.Config):
    """What to search: the slates, trials of each with the default among them, seed."""

    slates: list[str] = Field(default_factory=lambda: [str(slate) for slate in Slate])
    trials: int = Field(default=SearchConfig.trials, ge=1)
    seed: int = SearchConfig.seed


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="search",
    kinds={"python", "lightgbm", "postgres"},
    owners=OWNERS,
    code_version=code_digest("assets.search.search"),
    deps=["training_set"],
    metadata={"dagster/table_name": "ml.ranker_trials"},
)
def ranker_search(
    context: dg.AssetExecutionContext, config: SearchOptions, warehouse: PostgresResource, lake: LakeResource
) -> Materialized:
    """Training parameters tried on the newest closed folds; what is significantly better than the default is chosen.

    `rankers` of this date and later ones use the choice; the gate decides about them as before.
    """
    stop_on_failed_checks(context)
    as_of, store = date.fromisoformat(context.partition_key), lake.open()
    asked = SearchConfig(trials=config.trials, seed=config.seed)
    slates = _slates(config)
    with (
        exclusive(warehouse.url, MODELS_LOCK, Role.SERVICE) as lock,
        adbc_reader(warehouse.url, Role.SERVICE) as reading,
    ):
        with create_engine(warehouse.url, Role.TRANSFORMER).connect() as builds:
            version = features_version(builds)
        update_training_set(reading, store, as_of, SourcesConfig(), RankerConfig(), version, lock, asked.dates)
    searched = {
        slate: trials
        for slate in slates
        if (trials := _search(store, as_of, slate, asked, _reporter(context, slate, asked.trials))) is not None
    }
    if not searched:
        raise AudoticsError(
            f"nothing to search on as of {as_of}: no fold was over when another that users listened in began;"
            " ingest more history, or choose a later --as-of"
        )
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        replace_trials(connection, as_of, asked.seed, {slate: searched.get(slate, []) for slate in slates})
        stored = read_trials(connection, as_of, list(searched))
    metadata = {name: value for slate in searched for name, value in _shown(slate, stored).items()}
    return dg.MaterializeResult(metadata={"dagster/row_count": len(stored), **metadata})


def _slates(config: SearchOptions) -> list[Slate]:
    if unknown := set(config.slates) - set(Slate):
        raise AudoticsError(
            f"there is no slate {', '.join(sorted(unknown))}: configure `slates` with some of {', '.join(Slate)}"
        )
    return [slate for slate in Slate if slate in config.slates]


def _search(
    lake: Lake, as_of: date, slate: Slate, config: SearchConfig, on_trial: Callable[[int, float, float], None]
) -> list[Trial] | None:
    """The trials of a slate, on the files that the training set left in the lake."""
    whole = stored_holdouts(lake, as_of, slate, RankerConfig())[: config.dates]
    validations = [read for each in whole if (read := read_validation(lake, each, slate, config.users)) is not None]
    return search(load_folds(lake, as_of, slate, RankerConfig()), validations, config, on_trial)


def _reporter(context: dg.AssetExecutionContext, slate: Slate, trials: int) -> Callable[[int, float, float], None]:
    def report(number: int, ndcg: float, default: float) -> None:
        context.log.info("%s: trial %d of %d, NDCG@100 %.4f (default %.4f)", slate, number + 1, trials, ndcg, default)

    return report


def _shown(slate: Slate, stored: list[dict[str, Any]]) -> dict[str, dg.MetadataValue]:
    """What the asset's page says of one slate: the choice, all trials, and how the best of them grew."""
    trials = [each for each in stored if each["slate"] == slate]
    chosen = next(each for each in trials if each["chosen"])
    ndcg = [each["ndcg_100"] if each["state"] == "complete" else None for each in trials]
    title = f"{slate}: NDCG@100 by trial, the best so far, and the default"
    return {
        f"{slate}/chosen": dg.MetadataValue.text(described_choice(chosen)),
        f"{slate}/trials": table_of([_record(each) for each in trials]),
        f"{slate}/ndcg@100": dg.MetadataValue.md(plots.trials(title, ndcg, baseline=trials[0]["ndcg_100"])),
    }


def _record(trial: dict[str, Any]) -> Row:
    low, high = trial["ci95"] or (None, None)
    return {
        **{name: trial[name] for name in ("trial", "state", "chosen", "ndcg_100", "delta")},
        "ci95_low": low,
        "ci95_high": high,
        **{name: trial["params"][name] for name in _PARAMETERS},
        "by_date": ", ".join(f"{each['as_of']} {each['ndcg_100']:.4f}" for each in trial["by_date"]),
        "seconds": round(trial["seconds"], 1),
    }
