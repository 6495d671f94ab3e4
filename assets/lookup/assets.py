"""The search index."""

from datetime import date

import dagster as dg

from assets.lookup.index import built_index
from assets.lookup.names import read_names
from assets.lookup.store import store_index
from assets.partitions import AS_OF_PARTITIONS, NIGHTLY, ONE_DATE_PER_RUN, OWNERS, Materialized
from assets.staleness import code_digest
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import adbc_reader
from warehouse.resource import LakeResource, PostgresResource
from warehouse.roles import Role


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="recommendations",
    kinds={"python", "parquet"},
    owners=OWNERS,
    freshness_policy=NIGHTLY,
    code_version=code_digest("assets.lookup.index", "assets.lookup.names"),
    deps=[
        dg.AssetKey(["core", "dim_tracks"]),
        dg.AssetKey(["core", "dim_artists"]),
        dg.AssetKey(["features", "feat_track"]),
        dg.AssetKey(["features", "feat_artist"]),
    ],
)
def search_index(context: dg.AssetExecutionContext, warehouse: PostgresResource, lake: LakeResource) -> Materialized:
    """Tracks and artists by the words of their names, most popular first, for the release of this date to carry.

    What fewer than 3 people heard is found by its whole name alone: anybody may search.
    """
    stop_on_failed_checks(context)
    as_of = date.fromisoformat(context.partition_key)
    with (
        adbc_reader(warehouse.url, Role.SERVICE) as connection,
        built_index(read_names(connection, as_of)) as (description, archive),
    ):
        store_index(lake.open(), as_of, description, archive)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": description.names,
            "found_by_a_part_of_their_name": description.listed,
            "mib": round(description.size / 2**20, 1),
        }
    )
