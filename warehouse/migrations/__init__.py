"""Alembic migrations of the warehouse: `versions/` in order, run by `warehouse.migrate.upgrade`."""
