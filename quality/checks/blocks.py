"""The check of the lists against the blocks of their users."""

from datetime import date

import dagster as dg
from sqlalchemy import Connection, text

from warehouse.engine import create_engine
from warehouse.resource import PostgresResource
from warehouse.roles import Role
from warehouse.wording import counted


def build_blocks_check(partitions: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """A blocking check that no list of the run's `as_of` holds what its user has blocked."""

    @dg.asset_check(
        asset="recommendations",
        name="no_blocked_items",
        blocking=True,
        partitions_def=partitions,
        description="No list holds a track, or a track that credits an artist, that its user has blocked.",
    )
    def check(context: dg.AssetCheckExecutionContext, warehouse: PostgresResource) -> dg.AssetCheckResult:
        as_of = date.fromisoformat(context.op_execution_context.partition_key)
        with create_engine(warehouse.url, Role.SERVICE).connect() as connection:
            blocks, blocked, example = blocked_items(connection, as_of)
        broken = f"{counted(blocked, 'blocked item')} in lists, such as {example}: materialise recommendations again"
        return dg.AssetCheckResult(
            passed=blocked == 0,
            description=broken if blocked else counted(blocks, "block", ("holds", "hold")),
            metadata={"blocks": blocks, "blocked_items_in_lists": blocked},
        )

    return check


def blocked_items(connection: Connection, as_of: date) -> tuple[int, int, str]:
    """Blocks there are, items of the lists of a date that their users had blocked before these were made, and one.

    A block that comes later is of the next lists; the release leaves its items out.
    """
    found = connection.execute(_BLOCKED_ITEMS, {"as_of": as_of}).one()
    return found.blocks, found.blocked, found.example or ""


_BLOCKED_ITEMS = text(
    "with guests as materialized (select track_key, artist_key from core.dim_track_artists where position > 1)"
    " select (select count(*) from raw.blocks) as blocks, count(*) as blocked,"
    " min(format('track %s for user %s', track_id, user_id)) as example"
    " from ml.recommendations as lists inner join core.dim_tracks using (track_key)"
    " inner join core.dim_users using (user_key) inner join core.dim_blocks as blocks using (user_key)"
    " inner join ml.recommendation_batches using (as_of, slate)"
    " where as_of = :as_of and blocks.created_at <= blocks_read_at"
    " and case item_kind when 'track' then item_key = lists.track_key else item_key = dim_tracks.artist_key"
    " or exists (select from guests where guests.track_key = lists.track_key and guests.artist_key = item_key) end"
)
