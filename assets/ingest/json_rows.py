"""JSON files: lines or documents, values picked by dotted path."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.duck import connect_offline
from assets.ingest.encodings import utf8_blocks
from assets.ingest.files import InputFile
from assets.ingest.json_documents import read_rows
from assets.ingest.lines import LineBatch, read_lines
from assets.ingest.literals import quoted
from assets.ingest.missing import MissingColumnError
from assets.ingest.records import RawBatch, unsplit
from warehouse.errors import AudoticsError

# What is read to tell lines from documents.
_HEAD_BYTES = 1 << 20
_LAST_PLACE = (1 << 31) - 1
# A step in quotation marks, or one without dots.
_STEP = re.compile(r'"([^"]*)"|([^.]+)')
_IS_OBJECT = "CASE WHEN json_valid(text) THEN json_type(text) = 'OBJECT' ELSE false END"
# An object or a list is not the value of a field, and holds what the mapping does not name. NaN and Infinity, which
# are not JSON but written by many programs, are not values either.
_VALUES = f"""
SELECT
    line,
    is_object,
    {{refused}} AS refused,
    CASE WHEN is_object THEN list_transform(
        list_zip(json_extract_string(text, $paths), json_type(text, $paths)),
        lambda found: CASE
            WHEN found[2] IN ('OBJECT', 'ARRAY') THEN NULL
            WHEN found[2] = 'DOUBLE' AND NOT isfinite(try_cast(found[1] AS DOUBLE)) THEN NULL
            ELSE found[1]
        END
    ) END AS found{{lists}}
FROM (SELECT *{{listed}} FROM (SELECT *, {_IS_OBJECT} AS is_object FROM lines))
"""
_FOUND_PATHS = f"""
SELECT DISTINCT wanted.path
FROM (SELECT text FROM lines WHERE {_IS_OBJECT}) AS objects, (SELECT unnest($paths) AS path) AS wanted
WHERE json_exists(objects.text, wanted.path)
"""
_TOP_LEVEL_NAMES = f"SELECT DISTINCT unnest(json_keys(text)) AS name FROM lines WHERE {_IS_OBJECT} ORDER BY name"


@dataclass(frozen=True)
class JsonRules:
    """What a format says of its rows beside what a mapping can say.

    Attributes:
        check: an SQL expression over `text`, the JSON of a row, that says why the row is refused; null where it is not.
            What it says is the column `refused` of the rows.
        line: what a line looks like that is not JSON but holds it, as a regular expression (RE2).
        as_json: the JSON that such a line becomes, with its groups as `\\1`.
    """

    check: str | None = None
    line: str | None = None
    as_json: str = ""

    def rewritten(self, batch: LineBatch) -> LineBatch:
        """Return the lines as JSON; those that do not look as they should stay."""
        if self.line is None:
            return batch
        texts = pc.replace_substring_regex(batch.lines["text"], self.line, self.as_json)
        return replace(batch, lines=pa.table({"line": batch.lines["line"], "text": texts}))


def path_steps(dotted: str) -> list[str | int]:
    """Return the steps of `a.b.0`: names joined by dots, a number being a place in a list, from 0.

    A name with dots, or one that is a number, stands in quotation marks: `track."artist.name"`.
    """
    return [
        int(plain) if plain.isascii() and plain.isdigit() else plain or literal
        for literal, plain in _STEP.findall(dotted)
    ]


def read_json(
    file: InputFile,
    columns: Mapping[str, str],
    optional: Sequence[str] = (),
    rows: str | None = None,
    encoding: str | None = None,
    rules: JsonRules | None = None,
    lists: Sequence[str] = (),
) -> Iterator[RawBatch]:
    """Yield the file's objects, one text column per key of `columns`, whose values are dotted paths.

    Those keys that are in `lists` become columns of lists of texts: the path leads to a list, or through `*` to a part
    of each of its items. They may be absent.

    The file is JSON lines, an object on each; or it is a document, such as a list of objects, or several documents one
    after the other. Which of them it is shows in its first lines: lines if the first is a whole object, or the second
    begins another; a document if it begins with a list. With `rows`, the keys that lead to the objects
    (`data.items`), it is documents. Of a key of an object that has dots itself, the whole goes before the path.

    `line` is the line in JSON lines, and the number of the row in documents, where many rows may stand on one line.
    Rows that are not a JSON object are rejected as `malformed_json`. A path that an object lacks, or that leads to an
    object or a list, or to NaN, is null.

    Raises:
        AudoticsError: the file is empty, a document is not whole, or no object of the first batch has the path of a
            field that is not in `optional`.
    """
    rules = rules or JsonRules()
    listed = {name: path for name, path in columns.items() if name in lists}
    values = {name: path for name, path in columns.items() if name not in lists}
    picked, is_empty = _Picked(file, values, optional, rules.check, listed), True
    is_lines = rules.line is not None or (rows is None and is_json_lines(file, encoding))
    keys = [str(step) for step in path_steps(rows or "")]
    for lines in read_lines(file, encoding) if is_lines else read_rows(file, keys, encoding):
        batch = picked.of(rules.rewritten(lines))
        is_empty = is_empty and not batch.rows_read
        yield batch
    if is_lines and is_empty:
        raise AudoticsError(f"{file} is empty; give a file with listens")


class _Picked:
    """Picks the columns of batch after batch, and knows which of them the file has shown so far."""

    def __init__(
        self,
        file: InputFile,
        columns: Mapping[str, str],
        optional: Sequence[str],
        check: str | None,
        lists: Mapping[str, str],
    ) -> None:
        self._file, self._columns, self._optional = file, columns, optional
        parts = {name: _around_items(path) for name, path in lists.items()}
        # All of them out of one reading of the text.
        paths = ", ".join(quoted(path) for path, _ in parts.values())
        self._listed = f", CASE WHEN is_object THEN json_extract(text, [{paths}]) END AS listed" if lists else ""
        self._lists = "".join(
            f", {_items(f'listed[{place}]', within)} AS {name}"
            for place, (name, (_, within)) in enumerate(parts.items(), start=1)
        )
        self._list_names = list(lists)
        self._refused = f"CASE WHEN is_object THEN {check} END" if check else None
        self._connection = connect_offline()
        for column in columns.values():
            if any(step == "*" or (isinstance(step, int) and step > _LAST_PLACE) for step in path_steps(column)):
                raise AudoticsError(
                    f"{file}: the path {column!r} does not lead to one value; name keys, and places in lists from 0"
                )
        # Known from the first batch with an object on.
        self._absent: set[str] | None = None

    def of(self, batch: LineBatch) -> RawBatch:
        """Return the objects' values as `read_json` says; of no type is a column that no object has had so far."""
        paths = {field: _paths(column, batch.lines["text"]) for field, column in self._columns.items()}
        every_path = [path for alternatives in paths.values() for path in alternatives]
        self._connection.register("lines", batch.lines)
        query = _VALUES.format(refused=self._refused or "NULL", lists=self._lists, listed=self._listed)
        table = self._connection.sql(query, params={"paths": every_path}).to_arrow_table()
        good = table.filter(table["is_object"])
        if good.num_rows and self._absent is None:
            self._absent = self._find_absent(paths, every_path)
        values, position = {"line": good["line"]}, 0
        for field, alternatives in paths.items():
            places = range(position, position + len(alternatives))
            values[field] = pc.coalesce(*(pc.list_element(good["found"], place) for place in places))
            position = places.stop
        for field in sorted(self._absent or ()):
            if values[field].null_count == good.num_rows:
                values[field] = pa.nulls(good.num_rows)
            else:
                self._absent = (self._absent or set()) - {field}
        for name in self._list_names:
            values[name] = (
                good[name] if pc.any(pc.greater(pc.list_value_length(good[name]), 0)).as_py() else pa.nulls(len(good))
            )
        if self._refused:
            values["refused"] = good["refused"]
        malformed = unsplit(table["line"].filter(pc.invert(table["is_object"])), "malformed_json")
        rejects = pa.concat_tables([batch.rejects, malformed])
        return RawBatch(pa.table(values), rejects, batch.done, ends_whole=batch.ends_whole)

    def _find_absent(self, paths: Mapping[str, list[str]], every_path: list[str]) -> set[str]:
        """Return the fields whose paths no object of the batch has."""
        found = {path for (path,) in self._connection.execute(_FOUND_PATHS, {"paths": every_path}).fetchall()}
        absent = {field for field, alternatives in paths.items() if not found & set(alternatives)}
        for field, column in self._columns.items():
            if field in absent and field not in self._optional:
                names = [name for (name,) in self._connection.execute(_TOP_LEVEL_NAMES).fetchall()]
                raise MissingColumnError(self._file, field, [column], names)
        return absent


def is_json_lines(file: InputFile, encoding: str | None) -> bool:
    """Whether the file is JSON lines and not a document, as `read_json` says."""
    with file.open() as stream:
        head = next(utf8_blocks(stream, encoding, _HEAD_BYTES), b"")
    first, second, *_ = [*(line.strip() for line in head.splitlines() if line.strip()), b"", b""]
    if not first.startswith((b"{", b"[")):
        return True
    try:
        _, end = json.JSONDecoder().raw_decode(first.decode("utf-8", "replace"))
        is_whole = not first.decode("utf-8", "replace")[end:].lstrip().startswith(("{", "["))
    except (ValueError, RecursionError):
        is_whole = False
    return first.startswith(b"{") and (is_whole or second.startswith(b"{"))


def _paths(column: str, texts: pa.ChunkedArray) -> list[str]:
    """Return the JSON paths of a column: the key of that very name, if any of the texts may have it, goes first."""
    path = "$" + "".join(map(_json_step, path_steps(column)))
    whole = json.dumps(column, ensure_ascii=False)
    if "." in column and pc.any(pc.match_substring(texts, whole)).as_py():
        return ["$" + _json_step(column), path]
    return [path]


def _around_items(column: str) -> tuple[str, str]:
    """Return the JSON paths to a list and to the part of each of its items that a column is of."""
    steps = path_steps(column)
    place = steps.index("*") if "*" in steps else len(steps)
    path, within = ("".join(map(_json_step, part)) for part in (steps[:place], steps[place + 1 :]))
    return f"${path}", f"${within}"


def _items(found: str, within: str) -> str:
    """Return the expression for the texts of a list, or of a part of each item; what is not one value is null."""
    part = quoted(within)
    value = f"CASE WHEN json_type(item, {part}) NOT IN ('OBJECT', 'ARRAY') THEN item ->> {part} END"
    return f"list_transform(json_extract({found}, '$[*]'), lambda item: {value})"


def _json_step(step: str | int) -> str:
    return f"[{step}]" if isinstance(step, int) else '."' + step.replace('"', '\\"') + '"'
