"""The release: recommendations go live by one pointer flip."""

from dataclasses import asdict, replace
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy import text

from assets.lookup.store import stored_index
from assets.partitions import AS_OF_PARTITIONS, NIGHTLY, ONE_DATE_PER_RUN, OWNERS, Materialized
from assets.publish.blocks import publish_blocks
from assets.publish.held import list_releases
from assets.publish.held_slates import gated
from assets.publish.left_out import left_out
from assets.publish.pulled_blocks import pull_blocks
from assets.publish.release import NewerReleaseLiveError, PublishedRelease, publish
from assets.publish.warehouse_content import note_lists, record_releases, release_content
from assets.release_gate.assets import check_name
from assets.release_gate.verdicts import accept
from assets.slates import Slate
from assets.staleness import code_digest
from quality.checks import newest_day
from quality.checks.upstream import stop_on_failed_checks
from warehouse.engine import adbc_connect, create_engine
from warehouse.errors import AudoticsError
from warehouse.resource import LakeResource, PostgresResource, RedisResource
from warehouse.roles import Role

_CHECK = "is_live"
_TOLD = "app_changes_read"


@dg.asset(
    name="blocks",
    key_prefix="raw",
    group_name="raw",
    kinds={"python", "postgres", "redis"},
    owners=OWNERS,
    metadata={"dagster/table_name": "raw.blocks"},
    # A load may bring the users and tracks that changes are about.
    deps=[dg.AssetKey(["raw", "ingest_files"])],
    check_specs=[
        dg.AssetCheckSpec(
            _TOLD,
            asset=dg.AssetKey(["raw", "blocks"]),
            description="What users have blocked or taken back over HTTP has been read from Redis. Where it has not, it"
            " holds on in Redis, and the next run makes up for it.",
        )
    ],
)
def raw_blocks(context: dg.AssetExecutionContext, warehouse: PostgresResource, redis: RedisResource) -> Materialized:
    """What users never want to be recommended: with what they have blocked, or taken back, over HTTP since."""
    engine = create_engine(warehouse.url, Role.LOADER)
    metadata: dict[str, Any] = {}
    fault = None
    try:
        pulled = pull_blocks(engine, redis.client())
        metadata = {**vars(pulled), "waiting": len(pulled.waiting), "unreadable": len(pulled.unreadable)}
        pulled.require_readable()
    except AudoticsError as error:
        # Nobody's night need stop for it: nothing is lost, and readers know of it already.
        context.log.warning(str(error))
        fault = str(error)
    with engine.begin() as connection:
        metadata["dagster/row_count"] = connection.scalar(text("select count(*) from raw.blocks"))
    check = dg.AssetCheckResult(
        check_name=_TOLD,
        passed=fault is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=fault or "the warehouse has been told",
    )
    return dg.MaterializeResult(metadata=metadata, check_results=[check])


@dg.asset(
    group_name="release",
    kinds={"python", "redis"},
    owners=OWNERS,
    deps=[dg.AssetKey(["raw", "ingest_files"]), dg.AssetKey(["raw", "blocks"])],
)
def blocks_in_redis(warehouse: PostgresResource, redis: RedisResource) -> Materialized:
    """What users have blocked, in Redis, where it holds from their next request on; what has landed included."""
    users = publish_blocks(create_engine(warehouse.url, Role.LOADER), redis.client())
    # A row of the hash in Redis is a user.
    return dg.MaterializeResult(metadata={"dagster/row_count": users})


class ReleaseOptions(dg.Config):
    """How a release may differ from what the gate says."""

    accept_refused: list[str] = Field(
        default=[], description="Slates whose lists go live although the checks of `recommendations` refused them."
    )


@dg.asset(
    partitions_def=AS_OF_PARTITIONS,
    backfill_policy=ONE_DATE_PER_RUN,
    group_name="release",
    kinds={"python", "redis"},
    owners=OWNERS,
    freshness_policy=NIGHTLY,
    code_version=code_digest("assets.publish.release", "assets.publish.warehouse_content"),
    deps=[
        "recommendations",
        "similar_tracks",
        "similar_artists",
        "search_index",
        dg.AssetKey(["core", "dim_users"]),
        dg.AssetKey(["core", "dim_blocks"]),
        dg.AssetKey(["core", "dim_tracks"]),
        dg.AssetKey(["core", "dim_track_artists"]),
        dg.AssetKey(["core", "dim_track_details"]),
        dg.AssetKey(["core", "dim_track_tags"]),
        dg.AssetKey(["core", "dim_artists"]),
        dg.AssetKey(["core", "fct_listens"]),
        dg.AssetKey(["core", "dim_unlikely_listeners"]),
        dg.AssetKey(["features", "feat_track"]),
        dg.AssetKey(["features", "feat_user_track"]),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            _CHECK,
            asset="release",
            partitions_def=AS_OF_PARTITIONS,
            description="What was made as of this date is what readers get. A warning where a release of a later date"
            " is live, which stays.",
        )
    ],
)
def release(
    context: dg.AssetExecutionContext,
    config: ReleaseOptions,
    warehouse: PostgresResource,
    redis: RedisResource,
    lake: LakeResource,
) -> Materialized:
    """The lists as of this date in Redis, verified and then made live; the release before is kept for rollback.

    While a release of a later date is live, none is published, which the check `is_live` warns of. What users have
    blocked by now is written in any case. Of a slate whose lists were refused, the last good ones stay.
    """
    # The verdicts on slates it reads itself: some may be held, or accepted.
    stop_on_failed_checks(context, besides={check_name(slate) for slate in Slate}, also={newest_day.KEY})
    as_of = date.fromisoformat(context.partition_key)
    client = redis.client()
    # Before the flip, and before it is asked whether the release fits into what memory is left.
    blocks = {"users_with_blocks": publish_blocks(create_engine(warehouse.url, Role.LOADER), client)}
    engine = create_engine(warehouse.url, Role.SERVICE)
    with engine.begin() as connection:
        if config.accept_refused:
            accept(connection, as_of, config.accept_refused)
        lists = gated(connection, client, as_of)
    with adbc_connect(warehouse.url, Role.SERVICE) as reader:
        content = release_content(reader, as_of, lists.held)
        lists.require_these(content)
        content = replace(content, search=lambda: stored_index(lake.open(), as_of))
        try:
            published = publish(client, content)
        except NewerReleaseLiveError as newer:
            context.log.warning(str(newer))
            # These lists may have been live before the later date was.
            with engine.begin() as connection:
                note_lists(connection, newer.release, content.lists_made_at)
            return dg.MaterializeResult(
                metadata=blocks | _not_published(newer), check_results=[_check(False, str(newer))]
            )
    with engine.begin() as connection:
        record_releases(connection, list_releases(client), {published.meta.release: published.counts})
        note_lists(connection, published.meta.release, content.lists_made_at)
    return dg.MaterializeResult(
        metadata=blocks | _metadata(published),
        check_results=[_check(True, f"{published.meta.release} is live")],
    )


def _not_published(newer: NewerReleaseLiveError) -> dict[str, Any]:
    """No row count: nothing was published, and a 0 in its plot would say that a release of nothing was."""
    return {
        "published": False,
        "not_published": str(newer),
        "live_release": newer.live,
        "repaired": newer.repaired or "none",
    }


def _check(live: bool, description: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=_CHECK, passed=live, severity=dg.AssetCheckSeverity.WARN, description=description
    )


def _metadata(published: PublishedRelease) -> dict[str, Any]:
    counts = asdict(published.counts)
    missing = left_out(published.meta.models, counts, published.meta.held)
    users = counts.pop("users")
    return {
        **({"left_out": "\n".join(missing)} if missing else {}),
        "dagster/row_count": sum(users.values()),
        "published": True,
        "release": published.meta.release,
        "previous": published.previous or "none",
        "already_live": published.already_live,
        "repaired": published.repaired or "none",
        "estimated_mib": round(published.estimated_bytes / 2**20, 1),
        **counts,
        **{f"{slate}/users": number for slate, number in users.items()},
        **{f"{slate}/coverage": round(share, 4) for slate, share in published.coverage.items()},
        **{f"{slate}/distinct_tracks": number for slate, number in published.distinct_tracks.items()},
    }
