"""Why each track is recommended: the listened-to track that leads to it, and the features that moved it most."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Partitions get them as well; rows that are there have neither, which takes no rewriting.
    op.add_column(
        "recommendations",
        sa.Column(
            "seed_track_key",
            sa.Integer,
            comment="raw.tracks: what the user had heard that leads to the track; null where nothing does",
        ),
        schema="ml",
    )
    op.add_column(
        "recommendations",
        sa.Column(
            "contributions",
            JSONB,
            comment="Strongest features and their SHAP values, in log odds, of the first 10 of a list; null below",
        ),
        schema="ml",
    )


def downgrade() -> None:
    op.drop_column("recommendations", "contributions", schema="ml")
    op.drop_column("recommendations", "seed_track_key", schema="ml")
