"""The release: recommendations go live by one pointer flip."""

from datetime import date

import dagster as dg
import redis

from assets.partitions import AS_OF_PARTITIONS, ONE_DATE_PER_RUN, OWNERS
from assets.publish.blocks import publish_blocks
from assets.publish.release import NewerReleaseLiveError, list_releases, publish
from assets.publish.warehouse_content import record_releases, release_content
from warehouse.engine import adbc_connect, create_engine
from warehouse.resource import WarehouseResource
from warehouse.roles import Role


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="release",
    kinds={"python", "redis"},
    owners=OWNERS,
    deps=[
        "recommendations",
        "similar_tracks",
        "similar_artists",
        dg.AssetKey(["core", "dim_users"]),
        dg.AssetKey(["core", "dim_tracks"]),
        dg.AssetKey(["core", "dim_artists"]),
        dg.AssetKey(["core", "fct_listens"]),
        dg.AssetKey(["features", "feat_track"]),
        dg.AssetKey(["features", "feat_user_track"]),
    ],
)
def release(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """The lists as of this date in Redis, verified and then made live; the release before is kept for rollback.

    While a release of a later date is live, none is published. What users have blocked by now is written in any case.
    """
    as_of = date.fromisoformat(context.partition_key)
    client = redis.Redis.from_url(warehouse.redis_url)
    # Before the flip, and before it is asked whether the release fits into what memory is left.
    users_with_blocks = publish_blocks(create_engine(warehouse.url, Role.LOADER), client)
    with adbc_connect(warehouse.url, Role.SERVICE) as connection:
        try:
            published = publish(client, release_content(connection, as_of))
        except NewerReleaseLiveError as newer:
            return dg.MaterializeResult(
                metadata={
                    "published": False,
                    "live_release": newer.live,
                    "users_with_blocks": users_with_blocks,
                    "dagster/row_count": 0,
                }
            )
    with create_engine(warehouse.url, Role.SERVICE).begin() as connection:
        record_releases(connection, list_releases(client))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(published.meta.users.values()),
            "published": True,
            "release": published.meta.release,
            "previous": published.previous or "none",
            "already_live": published.already_live,
            "estimated_mib": round(published.estimated_bytes / 2**20, 1),
            "tracks": published.meta.tracks,
            "countries": published.countries,
            "user_countries": published.user_countries,
            "users_with_blocks": users_with_blocks,
            **{f"similar_{item}s": lists for item, lists in published.similar.items()},
            **{f"{slate}/users": users for slate, users in published.meta.users.items()},
            **{f"{slate}/coverage": round(share, 4) for slate, share in published.coverage.items()},
            **{f"{slate}/distinct_tracks": count for slate, count in published.distinct_tracks.items()},
        }
    )
