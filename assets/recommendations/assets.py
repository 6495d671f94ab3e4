"""The lists of every user and slate as of a date."""

from collections import Counter
from collections.abc import Iterator
from datetime import date

import dagster as dg
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets.blocks import settled_blocks
from assets.candidates.assets import candidates_path
from assets.features.assets import FEATURE_KEYS
from assets.features.dates import listens_version
from assets.features.version import features_version
from assets.partitions import AS_OF_PARTITIONS, NIGHTLY, ONE_DATE_PER_RUN, OWNERS, Materialized
from assets.ranker.assets import rankers
from assets.ranker.registry import Ordering, orderings
from assets.recommendations.lists import ListMaker
from assets.recommendations.store import MadeFrom, as_rows, code_of_lists, replace_recommendations
from assets.slates import Slate
from assets.staleness import code_digest
from quality.checks import newest_day
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import adbc_connect, adbc_reader, create_engine
from warehouse.lake import Lake
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role

_CHAMPION_WINDOW = dg.TimeWindowPartitionMapping(start_offset=-6)


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="recommendations",
    kinds={"python", "lightgbm", "postgres"},
    owners=OWNERS,
    freshness_policy=NIGHTLY,
    code_version=code_digest("assets.recommendations.lists"),
    # A night is served by the champion, as a rule one of the last week's.
    deps=[
        "candidates",
        dg.AssetKey(["core", "dim_blocks"]),
        dg.AssetKey(["core", "dim_tracks"]),
        dg.AssetKey(["core", "dim_track_artists"]),
        *FEATURE_KEYS,
        dg.AssetDep(rankers, partition_mapping=_CHAMPION_WINDOW),
    ],
    metadata={"dagster/table_name": "ml.recommendations"},
)
def recommendations(context: dg.AssetExecutionContext, warehouse: PostgresResource, lake: LakeResource) -> Materialized:
    """The 100 best candidates of every user and slate by its champion as of this date, and why.

    A slate without a champion is in the order of a baseline, which its model version says.
    """
    stop_on_failed_checks(context, also={newest_day.KEY})
    as_of = date.fromisoformat(context.partition_key)
    store = lake.open()
    with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
        serving = orderings(connection, store, as_of)
    with create_engine(warehouse.url, Role.TRANSFORMER).connect() as connection:
        listens, code = listens_version(connection, as_of), code_of_lists(features_version(connection))
    by_source: Counter[str] = Counter()
    users: Counter[Slate] = Counter()
    with adbc_reader(warehouse.url, Role.SERVICE) as reading, adbc_connect(warehouse.url, Role.SERVICE) as writing:
        made_from = MadeFrom(*settled_blocks(writing), listens, code)
        tables = _ranked(reading, store, as_of, serving, by_source, users)
        rows = replace_recommendations(writing, as_of, tables, made_from)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            # Of each source, the listed tracks that it ranked highest.
            **{f"listed_from/{source}": count for source, count in sorted(by_source.items())},
            **{f"{slate}/model_version": by.model_version for slate, by in serving.items()},
            **{f"{slate}/users": users[slate] for slate in serving},
        }
    )


def _ranked(
    connection: dbapi.Connection,
    lake: Lake,
    as_of: date,
    serving: dict[Slate, Ordering],
    by_source: Counter[str],
    users: Counter[Slate],
) -> Iterator[pa.Table]:
    """Rows of ml.recommendations, one batch of users at a time; counts them per source on the way, and users with a
    list per slate.
    """
    maker = ListMaker.of_date(connection, as_of, serving)
    # The files hold the same users batch by batch.
    for batch in zip(
        *(lake.read_parquet(candidates_path(as_of, slate), made_by="candidates") for slate in serving), strict=True
    ):
        pools = {slate: table.to_pandas() for slate, table in zip(serving, batch, strict=True) if table.num_rows}
        if not pools:
            continue
        for slate, lists in maker.lists(pools):
            by_source.update(lists["source"])
            users[slate] += int(lists["user_key"].nunique())
            yield as_rows(lists, as_of, slate, serving[slate].model_version)
