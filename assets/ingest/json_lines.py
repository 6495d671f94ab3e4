"""JSON lines: one object per line, values picked by dotted path."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.delimited import missing_column
from assets.ingest.lines import read_lines
from assets.ingest.records import REJECT_SCHEMA, RawBatch
from warehouse.errors import AudoticsError

_VALUES = """
SELECT line, text, object, CASE WHEN object THEN json_extract_string(text, $paths) END AS found
FROM (SELECT *, CASE WHEN json_valid(text) THEN json_type(text) = 'OBJECT' ELSE false END AS object FROM lines)
"""
_TOP_LEVEL_NAMES = """
SELECT DISTINCT unnest(json_keys(text)) AS name FROM lines
WHERE CASE WHEN json_valid(text) THEN json_type(text) = 'OBJECT' ELSE false END ORDER BY name
"""


def json_path(dotted: str) -> str:
    """Return the JSON path for `a.b.0`: names joined by dots, a number being a place in a list, from 0."""
    steps = (f"[{step}]" if step.isdigit() else '."' + step.replace('"', '\\"') + '"' for step in dotted.split("."))
    return "$" + "".join(steps)


def read_json_lines(path: Path, columns: Mapping[str, str], optional: Sequence[str] = ()) -> Iterator[RawBatch]:
    """Yield the file's objects, one text column per key of `columns`, whose values are dotted paths.

    Lines that are not a JSON object are rejected as `malformed_json`. A path that an object lacks is null.

    Raises:
        AudoticsError: no object of the first batch has the path of a field that is not in `optional`.
    """
    connection = duckdb.connect(":memory:", config={"autoload_known_extensions": "false"})
    paths = [json_path(column) for column in columns.values()]
    checked = False
    for batch in read_lines(path):
        connection.register("lines", batch.lines)
        table = connection.sql(_VALUES, params={"paths": paths}).to_arrow_table()
        good = table.filter(table["object"])
        if good.num_rows and not checked:
            _check_paths(path, connection, columns, optional)
            checked = True
        rows = {"line": good["line"], "original": good["text"]}
        for position, field in enumerate(columns):
            rows[field] = pc.list_element(good["found"], position)
        bad = table.filter(pc.invert(table["object"]))
        reasons = pa.array(["malformed_json"] * bad.num_rows, pa.string())
        malformed = pa.table([bad["line"], reasons, bad["text"]], schema=REJECT_SCHEMA)
        yield RawBatch(pa.table(rows), pa.concat_tables([batch.rejects, malformed]), batch.done)


def _check_paths(
    path: Path, connection: duckdb.DuckDBPyConnection, columns: Mapping[str, str], optional: Sequence[str]
) -> None:
    query = "SELECT 1 FROM lines WHERE CASE WHEN json_valid(text) THEN json_exists(text, $path) ELSE false END LIMIT 1"
    for field, column in columns.items():
        if field not in optional and not connection.execute(query, {"path": json_path(column)}).fetchone():
            names = [name for (name,) in connection.execute(_TOP_LEVEL_NAMES).fetchall()]
            raise AudoticsError(missing_column(path, field, column, names))
