"""The tables that the first migration makes, one module per subject; each has a `create` of its own."""

from alembic import op

from warehouse.migrations.baseline import builds, corrections, evaluations, lists, models, quality, raw, roles

# Of the statements of `create`: a database keeps it, so that one made by other statements is told apart. Until the
# first tagged release it changes with them; tests/unit/warehouse/test_baseline.py says what it has to be.
DIGEST = "ce5c74cdc2e0f7c4"


def create() -> None:
    raw.create()
    corrections.create()
    builds.create()
    models.create()
    lists.create()
    evaluations.create()
    quality.create()
    op.execute("CREATE SCHEMA dagster")
    op.execute("COMMENT ON SCHEMA dagster IS 'Run, event and schedule storage, kept by Dagster itself'")
    roles.create()
