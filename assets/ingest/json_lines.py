"""JSON lines: one object per line, values picked by dotted path."""

from collections.abc import Iterator, Mapping, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.delimited import missing_column
from assets.ingest.duck import connect_offline
from assets.ingest.files import InputFile
from assets.ingest.lines import read_lines
from assets.ingest.records import RawBatch, unsplit
from warehouse.errors import AudoticsError

_IS_OBJECT = "CASE WHEN json_valid(text) THEN json_type(text) = 'OBJECT' ELSE false END"
# An object or a list is not the value of a field, and holds what the mapping does not name.
_VALUES = f"""
SELECT
    line,
    is_object,
    CASE WHEN is_object THEN list_transform(
        list_zip(json_extract_string(text, $paths), json_type(text, $paths)),
        lambda found: CASE WHEN found[2] NOT IN ('OBJECT', 'ARRAY') THEN found[1] END
    ) END AS found
FROM (SELECT *, {_IS_OBJECT} AS is_object FROM lines)
"""
_FOUND_PATHS = f"""
SELECT DISTINCT wanted.path
FROM (SELECT text FROM lines WHERE {_IS_OBJECT}) AS objects, (SELECT unnest($paths) AS path) AS wanted
WHERE json_exists(objects.text, wanted.path)
"""
_TOP_LEVEL_NAMES = f"SELECT DISTINCT unnest(json_keys(text)) AS name FROM lines WHERE {_IS_OBJECT} ORDER BY name"


def json_path(dotted: str) -> str:
    """Return the JSON path for `a.b.0`: names joined by dots, a number being a place in a list, from 0."""
    steps = (f"[{step}]" if step.isdigit() else '."' + step.replace('"', '\\"') + '"' for step in dotted.split("."))
    return "$" + "".join(steps)


def read_json_lines(
    file: InputFile, columns: Mapping[str, str], optional: Sequence[str] = (), encoding: str | None = None
) -> Iterator[RawBatch]:
    """Yield the file's objects, one text column per key of `columns`, whose values are dotted paths.

    Lines that are not a JSON object are rejected as `malformed_json`. A path that an object lacks, or that leads to an
    object or a list, is null.

    Raises:
        AudoticsError: no object of the first batch has the path of a field that is not in `optional`.
    """
    connection = connect_offline()
    paths = [json_path(column) for column in columns.values()]
    checked = False
    for batch in read_lines(file, encoding):
        connection.register("lines", batch.lines)
        table = connection.sql(_VALUES, params={"paths": paths}).to_arrow_table()
        good = table.filter(table["is_object"])
        if good.num_rows and not checked:
            _check_paths(file, connection, columns, optional)
            checked = True
        rows = {"line": good["line"]}
        for position, field in enumerate(columns):
            rows[field] = pc.list_element(good["found"], position)
        malformed = unsplit(table["line"].filter(pc.invert(table["is_object"])), "malformed_json")
        yield RawBatch(pa.table(rows), pa.concat_tables([batch.rejects, malformed]), batch.done)


def _check_paths(
    file: InputFile, connection: duckdb.DuckDBPyConnection, columns: Mapping[str, str], optional: Sequence[str]
) -> None:
    paths = {field: json_path(column) for field, column in columns.items() if field not in optional}
    found = connection.execute(_FOUND_PATHS, {"paths": list(paths.values())}).fetchall()
    for field, path_wanted in paths.items():
        if (path_wanted,) not in found:
            names = [name for (name,) in connection.execute(_TOP_LEVEL_NAMES).fetchall()]
            raise AudoticsError(missing_column(file, field, columns[field], names))
