"""What is kept of the fields of a rejected row, whichever format it comes from and whoever rejects it."""

import duckdb
import pyarrow as pa

from assets.ingest.records import FIELDS

_FIELDS = {field.name for field in FIELDS}
# Of each field.
KEPT_CHARACTERS = 1000


def kept_fields(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.ChunkedArray:
    """JSON per row of the texts of its mapped fields, each cut to KEPT_CHARACTERS, nulls left out.

    NUL, which PostgreSQL cannot store, is written as `\\x00`. A struct or a list may hold what the mapping does not
    name, so it is left out as well, as is a column that only tells which rows are left out.
    """
    texts = (
        f"'{field.name}': replace(({field.name}::VARCHAR)[:{KEPT_CHARACTERS}], chr(0), '\\x00')"
        for field in rows.schema
        if field.name in _FIELDS and not pa.types.is_nested(field.type)
    )
    connection.register("rejected", rows)
    query = f"SELECT json_merge_patch('{{}}', to_json({{{', '.join(texts)}}}))::VARCHAR AS fields FROM rejected"
    try:
        return connection.sql(query).to_arrow_table()["fields"]
    finally:
        # The connection would keep the rows.
        connection.unregister("rejected")
