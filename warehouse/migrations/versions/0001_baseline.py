"""Every schema, table, function, role and grant of the first release."""

from alembic import op

from warehouse.migrate import VERSION_TABLE
from warehouse.migrations import baseline

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    baseline.create()
    op.execute(f"COMMENT ON TABLE {VERSION_TABLE} IS '{baseline.DIGEST}'")
