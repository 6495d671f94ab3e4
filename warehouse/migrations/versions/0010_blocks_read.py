"""Which blocks the lists of a date hold to, so that one that comes while they are made fails no check."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "recommendation_batches",
        sa.Column(
            "blocks_read_at",
            TIMESTAMP(timezone=True),
            comment="The lists hold no item blocked before; null when they were made without looking",
        ),
        schema="ml",
    )


def downgrade() -> None:
    op.drop_column("recommendation_batches", "blocks_read_at", schema="ml")
