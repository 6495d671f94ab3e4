"""Replays of past dates: the lists of then, made again and compared."""

from datetime import date

import dagster as dg

from assets.features.assets import FEATURE_KEYS
from assets.features.version import features_version
from assets.partitions import AS_OF_PARTITIONS, ONE_DATE_PER_RUN, OWNERS, Materialized
from assets.recommendations.store import code_of_lists
from assets.replay.comparison import SlateComparison, compare, note_changes
from assets.replay.lists import models_to_replay, replay
from assets.slates import Slate
from assets.staleness import code_digest
from quality.checks.tables import Row, table_of
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import adbc_reader, create_engine
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role

_CHECK = "same_as_made_then"


class ReplayConfig(dg.Config):
    """What to replay with.

    model_version: a ranker of ml.models, for its slate alone; without it, those that made the lists then, or the
    champions of the date where none were made.
    """

    model_version: str | None = None


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="replay",
    kinds={"python", "lightgbm"},
    owners=OWNERS,
    code_version=code_digest("assets.replay.lists"),
    deps=[
        "recommendations",
        dg.AssetKey(["core", "fct_listens"]),
        dg.AssetKey(["core", "dim_unlikely_listeners"]),
        dg.AssetKey(["core", "dim_blocks"]),
        dg.AssetKey(["core", "dim_tracks"]),
        dg.AssetKey(["core", "dim_track_artists"]),
        *FEATURE_KEYS,
    ],
    check_specs=[
        dg.AssetCheckSpec(
            _CHECK,
            asset="replayed_recommendations",
            partitions_def=AS_OF_PARTITIONS,
            description="Every list is the one that was made then, or none was. Where lists differ, it says what has"
            " changed since: listens before the date, blocks, the model, the code.",
        )
    ],
)
def replayed_recommendations(
    context: dg.AssetExecutionContext, config: ReplayConfig, warehouse: PostgresResource, lake: LakeResource
) -> Materialized:
    """The lists of a date, made again from what was known before it and compared with those made then.

    By the models that made them, or by one that is configured. Nothing is stored, and nothing published.
    """
    stop_on_failed_checks(context)
    as_of = date.fromisoformat(context.partition_key)
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        models = models_to_replay(connection, lake.open(), as_of, config.model_version)
    with adbc_reader(warehouse.url, Role.SERVICE) as reading:
        slates = compare(replay(reading, as_of, models, None))
    with create_engine(warehouse.url, Role.TRANSFORMER).connect() as connection:
        note_changes(connection, as_of, slates, code_of_lists(features_version(connection)))
    verdicts = {f"{slate}/verdict": compared.verdict(as_of) for slate, compared in slates.items()}
    return dg.MaterializeResult(
        metadata={
            # Lists that were made again: nothing is stored that would have rows.
            "dagster/row_count": sum(compared.users for compared in slates.values()),
            "comparison": table_of([_row(slate, compared) for slate, compared in slates.items()]),
            **verdicts,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=_CHECK,
                passed=all(compared.same for compared in slates.values()),
                severity=dg.AssetCheckSeverity.WARN,
                description="\n".join(f"{name.removesuffix('/verdict')} by {line}" for name, line in verdicts.items()),
                metadata={str(slate): compared.as_json() for slate, compared in slates.items()},
            )
        ],
    )


def _row(slate: Slate, compared: SlateComparison) -> Row:
    return {
        "slate": str(slate),
        "model_version": compared.model_version,
        "lists": compared.users,
        "lists_made_then": compared.lists_made_then,
        "users_with_other_lists": compared.other_lists if compared.lists_made_then else None,
        "changed_since": "; ".join(change.detail for change in compared.changes),
    }
