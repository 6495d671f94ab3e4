"""Every schema, table, function, role and grant of the first release."""

from alembic import op

from warehouse.migrations.baseline import builds, evaluations, lists, models, raw, roles

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    raw.create()
    builds.create()
    models.create()
    lists.create()
    evaluations.create()
    op.execute("CREATE SCHEMA dagster")
    op.execute("COMMENT ON SCHEMA dagster IS 'Run, event and schedule storage, kept by Dagster itself'")
    roles.create()
