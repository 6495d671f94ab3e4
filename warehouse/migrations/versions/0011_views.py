"""What each view was built from, so that a build leaves alone those that did not change."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import OID

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "views",
        sa.Column("view_name", sa.Text, primary_key=True, comment="Name of the dbt model"),
        sa.Column("view_oid", OID, nullable=False, comment="The view that was built; any other has another"),
        sa.Column("definition", sa.Text, nullable=False, comment="Digest of its SQL, its grants and its descriptions"),
        schema="builds",
        comment="One row per view that dbt has built",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON builds.views TO audotics_transformer")


def downgrade() -> None:
    op.drop_table("views", schema="builds")
