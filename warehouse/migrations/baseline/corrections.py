"""What people know better than the rules: written by analysts, read by the models."""

import sqlalchemy as sa
from alembic import op

from warehouse.migrations.baseline.columns import INSTANT, column


def create() -> None:
    op.execute("CREATE SCHEMA corrections")
    op.execute("COMMENT ON SCHEMA corrections IS 'What people know better than the rules, for the models to follow'")
    op.create_table(
        "same_items",
        column("item_kind", sa.Text, "track or artist"),
        column("item_id", sa.Text, "Public id of the track or artist"),
        column("same_as_id", sa.Text, "Public id of the one that it is; its own where it stands for itself alone"),
        column("why", sa.Text, "For whoever reads this later", null=True),
        column("stated_by", sa.Text, "Who says so", default=sa.literal_column("session_user")),
        column("stated_at", INSTANT, "When it was written", default=sa.func.now()),
        sa.PrimaryKeyConstraint("item_kind", "item_id", name="same_items_pkey"),
        sa.CheckConstraint("item_kind IN ('track', 'artist')", name="same_items_kind"),
        schema="corrections",
        comment="One row per track or artist that people say is another one, or none of those that its name says",
    )
