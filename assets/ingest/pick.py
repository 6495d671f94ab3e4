"""From the columns of a file to the fields of a listen, as a mapping says: one query per batch."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.credits import CreditPicker
from assets.ingest.delimited import DELIMITER, Layout, read_delimited
from assets.ingest.duck import connect_offline
from assets.ingest.files import InputFile
from assets.ingest.literals import quoted
from assets.ingest.mapping import Mapping as FileMapping
from assets.ingest.mapping_parts import NULLS, LeaveOut, Lookup, Pick
from assets.ingest.missing import MissingColumnError
from assets.ingest.records import RawBatch
from warehouse.errors import AudoticsError

_IDS = ("user_id", "track_id", "artist_id")
_NAMES = ("title", "artist_name", "tag")


class Picker:
    """Turns batches of a file's columns into batches of fields.

    Attributes:
        columns: the columns or dotted paths that the mapping asks for, each once, by the names `pick` expects.
        optional: those of the names without whose column a file can be read.
        lists: those of the names whose column is a list.
    """

    def __init__(self, mapping: FileMapping, file: InputFile, user: str | None) -> None:
        self._mapping, self._file, self._user = mapping, file, user
        # What a file must have at least one column of.
        self._needed = {
            field: pick.columns
            for field, pick in mapping.columns.items()
            if field not in mapping.optional and pick.default is None
        }
        fields = [column for pick in mapping.columns.values() for column in pick.columns]
        credited = mapping.credits.lists() if mapping.credits else {}
        fields += [column for each in credited.values() if each.split for column in each.columns]
        self._offset, self._end = (mapping.time.offset, mapping.time.end) if mapping.time else (None, None)
        if self._end is not None and "listened_at" in self._needed:
            self._needed["listened_at"] = (*self._needed["listened_at"], self._end)
        of_times = [column for column in (self._offset, self._end) if column is not None]
        wanted = dict.fromkeys([*fields, *(rule.column for rule in mapping.leave_out), *of_times])
        # A reader's message about a missing column names the field that needs it.
        fields_of = {
            pick.columns[0]: field for field, pick in reversed(mapping.columns.items()) if len(pick.columns) == 1
        }
        self._names = {column: fields_of.get(column, f"c{position}") for position, column in enumerate(wanted)}
        self.columns = {name: column for column, name in self._names.items()}
        alone = {columns[0] for columns in self._needed.values() if len(columns) == 1}
        self.optional = [name for column, name in self._names.items() if column not in alone]
        lists = dict.fromkeys(column for each in credited.values() if not each.split for column in each.columns)
        self._list_names = {column: f"list{position}" for position, column in enumerate(lists)}
        self.lists = list(self._list_names.values())
        self.columns |= {name: column for column, name in self._list_names.items()}
        self.optional += self.lists
        # Whether the first rows have shown that the file has them.
        self._credits_seen = False
        self._connection = connect_offline()
        for field, pick in mapping.columns.items():
            if pick.lookup is not None:
                self._connection.register(f"lookup_{field}", _looked_up(file, pick.lookup))

    def pick(self, batch: RawBatch) -> RawBatch:
        """Return the batch's fields without the rows that the mapping leaves out, which are counted by rule.

        Raises:
            AudoticsError: the file has none of the columns of a field, or one holds lists or structs.
        """
        self._require(batch.rows.schema)
        if batch.rows.num_rows == 0:
            empty = pa.schema([("line", pa.int64()), *((field, pa.string()) for field in self._mapping.columns)])
            return replace(batch, rows=empty.empty_table(), left_out={})
        self._connection.register("batch", batch.rows)
        try:
            picked = self._connection.sql(self._query(batch.rows.schema)).to_arrow_table()
        finally:
            self._connection.unregister("batch")
        if not self._mapping.leave_out:
            return replace(batch, rows=picked, left_out={})
        rules = picked["left_out"]
        counted = {entry["values"].as_py(): entry["counts"].as_py() for entry in pc.value_counts(rules.drop_null())}
        rows = picked.filter(pc.is_null(rules)).drop_columns(["left_out"])
        return replace(batch, rows=rows, left_out=counted)

    def _query(self, schema: pa.Schema) -> str:
        credits = self._mapping.credits
        credited = CreditPicker(credits, lambda field, column: self._credit(field, column, schema)) if credits else None
        fields: dict[str, str] = {
            field: self._field(field, pick, schema) for field, pick in self._mapping.columns.items()
        }
        if credited is not None:
            fields = {**credited.first(fields), "credits": credited.credits()}
        picks = [f"{expression} AS {field}" for field, expression in fields.items()]
        if self._end is not None:
            at = next(position for position, field in enumerate(self._mapping.columns) if field == "listened_at")
            picks[at : at + 1] = self._start_or_end(self._mapping.columns["listened_at"], self._end, schema)
        if self._user is not None:
            picks.append(f"{quoted(self._user)} AS user_id")
        if self._offset is not None:
            picks.append(f"{self._names[self._offset]} AS utc_offset")
        if "refused" in schema.names:
            picks.append("refused")
        if self._mapping.leave_out:
            cases = " ".join(
                f"WHEN {self._condition(rule, schema)} THEN {quoted(rule.rule)}" for rule in self._mapping.leave_out
            )
            picks.append(f"CASE {cases} END AS left_out")
        rows = "batch" if credited is None else credited.rows()
        return f"SELECT line, {', '.join(picks)} FROM {rows} ORDER BY line"

    def _require(self, schema: pa.Schema) -> None:
        kinds = {column: schema.field(name).type for column, name in self._names.items()}
        for field, columns in self._needed.items():
            found = [not pa.types.is_null(kinds[column]) for column in columns]
            joined = self._mapping.columns[field].join is not None
            if not any(found) or (joined and not all(found)):
                raise MissingColumnError(self._file, field, columns)
        if self._mapping.credits is not None and not self._mapping.credits.may_lack and not self._credits_seen:
            for listed, given in self._mapping.credits.lists().items():
                names = [self._names[each] if given.split else self._list_names[each] for each in given.columns]
                if all(pa.types.is_null(schema.field(name).type) for name in names):
                    raise MissingColumnError(self._file, f"credits.{listed}", given.columns)
            self._credits_seen = True
        for column, kind in kinds.items():
            if pa.types.is_nested(kind):
                raise AudoticsError(
                    f"{self._file}: the column {column!r} holds values of the type {kind}; name a part of it that is"
                    f" one value, such as {column}.0 for the first of a list"
                )

    def _field(self, field: str, pick: Pick, schema: pa.Schema) -> str:
        """Return the expression for a field: numbers and instants keep their type where nothing is done to them."""
        if pick.is_plain and not _is_text(schema.field(self._names[pick.columns[0]]).type):
            return self._names[pick.columns[0]]
        values = [self._text(field, column, schema) for column in pick.columns]
        if pick.join is None:
            value = f"coalesce({', '.join(values)})" if len(values) > 1 else values[0]
        else:
            # Null where one of them is: half a time is none.
            value = f" || {quoted(pick.join)} || ".join(values)
        if pick.split is not None:
            value = _split(value, pick.split, pick.part)
        if pick.match is not None:
            value = f"nullif(regexp_extract({value}, {quoted(pick.match)}, 1), '')"
        for affixes, pattern in ((pick.strip_prefix, "^(?:{})"), (pick.strip_suffix, "(?:{})$")):
            if affixes:
                value = _without(value, affixes, pattern)
        if pick.values:
            cases = " ".join(f"WHEN {quoted(text)} THEN {quoted(other)}" for text, other in pick.values.items())
            value = f"CASE {value} {cases} ELSE {value} END"
        if pick.lookup is not None:
            value = f"(SELECT min(entry.value) FROM lookup_{field} AS entry WHERE entry.key = {value})"
        return value if pick.default is None else f"coalesce(nullif({value}, ''), {quoted(pick.default)})"

    def _start_or_end(self, pick: Pick, end: str, schema: pa.Schema) -> list[str]:
        """Return the expressions for when playback started, or else ended, and for which of them it is."""
        started = f"nullif(({self._field('listened_at', pick, schema)})::VARCHAR, '')"
        ended = self._text("listened_at", end, schema)
        return [f"coalesce({started}, {ended}) AS listened_at", f"{started} IS NULL AS is_end"]

    def _text(self, field: str, column: str, schema: pa.Schema) -> str:
        """Return the expression for a column's text: null where it spells that there is none."""
        name = self._names[column]
        if pa.types.is_floating(schema.field(name).type):
            # Whole numbers become real ones when a tool that knows no missing integers writes them.
            text = f"CASE WHEN isfinite({name}) THEN regexp_replace({name}::VARCHAR, '\\.0+$', '') END"
        else:
            text = f"trim({name}::VARCHAR)"
            if field in _IDS and _is_text(schema.field(name).type):
                text = f"regexp_replace({text}, '^([+-]?[0-9]+)\\.0+$', '\\1')"
        return f"CASE WHEN {text} NOT IN ({_quoted(['', *self._nulls(field)])}) THEN {text} END"

    def _credit(self, field: str, column: str, schema: pa.Schema) -> str:
        """Return the expression for a column of credits: its text, or the items of its list."""
        if column not in self._list_names:
            return self._text(field, column, schema)
        name = self._list_names[column]
        if pa.types.is_null(schema.field(name).type):
            return "NULL::VARCHAR[]"
        if field == "join_phrase":
            return name
        nulls = _quoted(["", *self._nulls(field)])
        return f"list_transform({name}, lambda item: CASE WHEN trim(item) NOT IN ({nulls}) THEN trim(item) END)"

    def _nulls(self, field: str) -> Sequence[str]:
        """Return what a field spells that has no value, besides the empty text."""
        nulls = self._mapping.nulls
        return nulls if nulls is not None else () if field in _NAMES else NULLS

    def _condition(self, rule: LeaveOut, schema: pa.Schema) -> str:
        name = self._names[rule.column]
        if pa.types.is_null(schema.field(name).type):
            # The file has no such column.
            return "false"
        nulls = self._mapping.nulls if self._mapping.nulls is not None else NULLS
        text = f"lower(CASE WHEN trim({name}::VARCHAR) NOT IN ({_quoted(nulls)}) THEN trim({name}::VARCHAR) END)"
        given = f"coalesce({text}, '') <> ''"
        if rule.given:
            return given
        if rule.missing:
            return f"NOT ({given})"
        if rule.equals:
            return f"{text} IN ({_listed(rule.equals)})"
        if rule.differs_from:
            return f"coalesce({text}, '') NOT IN ({_listed(rule.differs_from)})"
        if rule.starts_with:
            return "(" + " OR ".join(f"starts_with({text}, {word})" for word in _words(rule.starts_with)) + ")"
        if rule.contains:
            return "(" + " OR ".join(f"contains({text}, {word})" for word in _words(rule.contains)) + ")"
        return f"try_cast({text} AS DOUBLE) < {rule.below!r}"


def _looked_up(file: InputFile, lookup: Lookup) -> pa.Table:
    """Return the columns key and value of a file beside the file."""
    beside = file.beside(lookup.file)
    if beside is None:
        raise AudoticsError(
            f"{file} has no {lookup.file} beside it, in which the mapping looks values up; put it there"
        )
    is_csv = lookup.file.lower().endswith(".csv")
    delimiter = lookup.delimiter or DELIMITER["csv" if is_csv else "tsv"]
    layout = Layout(delimiter, True if is_csv else None, encoding=lookup.encoding)
    batches = read_delimited(beside, layout, {"key": lookup.key, "value": lookup.value})
    rows = pa.concat_tables([batch.rows.select(["key", "value"]) for batch in batches])
    return pa.table({name: pc.utf8_trim_whitespace(rows[name]) for name in ("key", "value")})


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(quoted(text) for text in texts)


def _words(texts: Sequence[str]) -> list[str]:
    return [quoted(text.lower()) for text in texts]


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(_words(texts))


def _split(value: str, separator: str, part: str | None) -> str:
    if part == "before":
        return f"rtrim(split_part({value}, {quoted(separator)}, 1))"
    return f"regexp_replace({value}, {quoted(f'(?s)^.*?{re.escape(separator)}[[:space:]]*')}, '')"


def _without(value: str, affixes: Sequence[str], pattern: str) -> str:
    longest_first = sorted(map(re.escape, affixes), key=len, reverse=True)
    return f"regexp_replace({value}, {quoted(pattern.format('|'.join(longest_first)))}, '')"
