"""Alembic's entry point: runs on the connection that `warehouse.migrate` hands over, a transaction per migration."""

from alembic import context

from warehouse.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    version_table=VERSION_TABLE,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
