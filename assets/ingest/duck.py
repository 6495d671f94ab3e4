"""DuckDB as a query engine over Arrow tables in memory, and nothing else."""

import duckdb


def connect_offline() -> duckdb.DuckDBPyConnection:
    """Return a connection that sees only the tables registered with it: no files, no network, no other extensions."""
    return duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "enable_external_access": "false",
            "preserve_insertion_order": "true",
        },
    )
