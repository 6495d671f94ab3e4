"""Parquet files, in batches of rows, with nested columns picked by dotted path."""

from collections.abc import Iterator, Mapping, Sequence

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.ingest.duck import connect_offline
from assets.ingest.files import InputFile
from assets.ingest.missing import MissingColumnError
from assets.ingest.records import REJECT_SCHEMA, RawBatch
from assets.ingest.rejects import kept_fields
from assets.ingest.utf8 import escaped, invalid_rows
from warehouse.errors import AudoticsError

BATCH_ROWS = 128 << 10
# Microseconds since 1970 of the last instants that DuckDB knows, about.
_FARTHEST_US = 9 * 10**18


def read_parquet(
    file: InputFile, columns: Mapping[str, str], optional: Sequence[str] = (), lists: Sequence[str] = ()
) -> Iterator[RawBatch]:
    """Yield the file's rows, one column per key of `columns`, whose values name columns or dotted paths.

    A path goes into structs by name and into lists by number, from 0: `artists.0.name`. Values keep the types of the
    file, except that text comes as plain strings. Of the keys in `lists`, which may be absent, the columns are lists,
    or `*` stands for each of their items: they come as lists of texts. Rows whose text is not UTF-8 are rejected as
    `invalid_utf8`.

    Raises:
        AudoticsError: the file is not Parquet, is damaged, or lacks a column whose field is not in `optional`; or a
            column is there twice, or holds lists or structs.
    """
    try:
        with (
            file.random_access() as stored,
            pq.ParquetFile(stored) as parquet,
            connect_offline() as connection,
        ):
            schema = parquet.schema_arrow
            for field, column in columns.items():
                if field in lists:
                    _check_list(file, schema, column)
                elif (steps := _resolve(schema, column)) is not None:
                    _check_column(file, schema, column, steps)
                elif field not in optional:
                    raise MissingColumnError(file, field, [column], schema.names)
            total, done = max(parquet.metadata.num_rows, 1), 0
            # What no field needs is not read.
            wanted = sorted(
                {steps[0] for field, column in columns.items() if (steps := _resolve(schema, column, field in lists))}
            )
            list_columns = {field: column for field, column in columns.items() if field in lists}
            columns = {field: column for field, column in columns.items() if field not in lists}
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
                yield _raw_batch(connection, batch, columns, list_columns, done, (done + batch.num_rows) / total)
                done += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise AudoticsError(f"{file} is not a whole Parquet file ({error}); fetch or write it again") from error


def _resolve(schema: pa.Schema, column: str, through_items: bool = False) -> list[str] | None:
    """Return the steps from the schema's top to a column; a column whose own name has dots goes first."""
    if column in schema.names:
        return [column]
    steps = column.split(".")
    if steps[0] not in schema.names:
        return None
    kind = schema.types[schema.names.index(steps[0])]
    for step in steps[1:]:
        found = kind.value_type if through_items and step == "*" and _is_list(kind) else _within(kind, step)
        if found is None:
            return None
        kind = found
    return steps


def _within(kind: pa.DataType, step: str) -> pa.DataType | None:
    """Return the type that a step leads to, None if a type has no such step."""
    if _is_list(kind):
        return kind.value_type if step.isascii() and step.isdigit() else None
    if pa.types.is_struct(kind) and kind.get_field_index(step) >= 0:
        return kind.field(step).type
    return None


def _is_list(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _check_column(file: InputFile, schema: pa.Schema, column: str, steps: list[str]) -> None:
    if (count := schema.names.count(steps[0])) > 1:
        raise AudoticsError(f"{file} has {count} columns named {steps[0]!r}; rename all but one")
    kind = schema.field(steps[0]).type
    for step in steps[1:]:
        kind = _within(kind, step)
    if pa.types.is_nested(kind):
        inner = "0" if _is_list(kind) else kind.field(0).name if pa.types.is_struct(kind) else "…"
        raise AudoticsError(
            f"{file}: {column!r} holds {kind}, not one value; name what is meant in it, such as '{column}.{inner}'"
        )


def _check_list(file: InputFile, schema: pa.Schema, column: str) -> None:
    """Raise AudoticsError unless a column, if the file has it, is a list of values, or a part of each of its items."""
    steps = _resolve(schema, column, through_items=True)
    if steps is None:
        return
    if (count := schema.names.count(steps[0])) > 1:
        raise AudoticsError(f"{file} has {count} columns named {steps[0]!r}; rename all but one")
    kinds = [schema.field(steps[0]).type]
    for step in steps[1:]:
        kinds.append(kinds[-1].value_type if step == "*" else _within(kinds[-1], step))
    item = kinds[-1] if "*" in steps else kinds[-1].value_type if _is_list(kinds[-1]) else None
    if item is None or pa.types.is_nested(item) or steps.count("*") > 1:
        raise AudoticsError(
            f"{file}: {column!r} holds {kinds[-1]}, not a list of values; name a list of texts, or a part of each of"
            f" its items, such as '{column}.*.name'"
        )


def _texts_of_lists(batch: pa.RecordBatch, column: str) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Return the lists of texts of a column, nulls where there is none, and the rows whose texts are not UTF-8."""
    steps = _resolve(batch.schema, column, through_items=True)
    if steps is None:
        return pa.nulls(batch.num_rows), np.array([], np.int64)
    place = steps.index("*") if "*" in steps else len(steps)
    value = batch.column(steps[0])
    for step in steps[1:place]:
        value = _step_into(value, step)
    lengths = pc.fill_null(pc.list_value_length(value), 0).to_numpy().astype(np.int64)
    items = pc.list_flatten(value)
    for step in steps[place + 1 :]:
        items = _step_into(items, step)
    items = items.cast(pa.binary()) if _is_text(items.type) else items.cast(pa.string()).cast(pa.binary())
    wrong = invalid_rows(items.fill_null(b""))
    rows = np.unique(np.repeat(np.arange(len(lengths)), lengths)[wrong])
    if len(wrong):
        # Their rows are rejected.
        items = pc.if_else(pa.array(np.isin(np.arange(len(items)), wrong)), None, items)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, items.cast(pa.string())), rows


def _step_into(values: pa.Array, step: str) -> pa.Array:
    if not _is_list(values.type):
        return pc.struct_field(values, step)
    place = int(step)
    # A list that is too short gives null.
    found = pc.list_slice(values, place, place + 1, return_fixed_size_list=True)
    return pc.list_element(found, 0)


def _raw_batch(
    connection: duckdb.DuckDBPyConnection,
    batch: pa.RecordBatch,
    columns: Mapping[str, str],
    lists: Mapping[str, str],
    rows_before: int,
    done: float,
) -> RawBatch:
    lines = np.arange(rows_before + 1, rows_before + batch.num_rows + 1, dtype=np.int64)
    values: dict[str, pa.Array] = {"line": pa.array(lines)}
    invalid = np.array([], np.int64)
    for field, column in columns.items():
        steps = _resolve(batch.schema, column)
        if steps is None:
            values[field] = pa.nulls(batch.num_rows)
            continue
        value = batch.column(steps[0])
        for step in steps[1:]:
            value = _step_into(value, step)
        if _is_text(value.type):
            value = value.cast(pa.binary())
            invalid = np.union1d(invalid, invalid_rows(value.fill_null(b"")))
        values[field] = _readable(value)
    for field, column in lists.items():
        values[field], of_rows = _texts_of_lists(batch, column)
        invalid = np.union1d(invalid, of_rows)
    rows = pa.table(values)
    rejects = _rejects(connection, rows.take(pa.array(invalid)))
    if len(invalid):
        rows = rows.take(pa.array(np.delete(np.arange(len(rows)), invalid)))
    return RawBatch(_text_as_strings(rows), rejects, done)


def _readable(values: pa.Array) -> pa.Array:
    """Return numbers and times in types that DuckDB reads, instants that are too far away as the farthest."""
    kind = values.type
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())
    if not pa.types.is_timestamp(kind) or kind.unit == "ns":
        return values
    farthest = _FARTHEST_US // {"s": 1_000_000, "ms": 1_000, "us": 1}[kind.unit]
    counted = pc.min_element_wise(pc.max_element_wise(values.cast(pa.int64()), -farthest), farthest)
    # An instant that is not known stays unknown.
    counted = pc.if_else(values.is_valid(), counted, None)
    return counted.cast(pa.timestamp(kind.unit, kind.tz)).cast(pa.timestamp("us", kind.tz))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary)
    return any(is_kind(kind) for is_kind in tests)


def _text_as_strings(rows: pa.Table) -> pa.Table:
    for position, name in enumerate(rows.column_names):
        if pa.types.is_binary(rows.schema.field(name).type):
            column = rows.column(name).combine_chunks()
            rows = rows.set_column(position, name, column.view(pa.string()))
    return rows


def _rejects(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Table:
    """Return the rejects for rows in which the bytes of some text are not UTF-8."""
    if not rows.num_rows:
        return REJECT_SCHEMA.empty_table()
    for position, name in enumerate(rows.column_names):
        if pa.types.is_binary(rows.schema.field(name).type):
            texts = [None if value is None else escaped(value) for value in rows[name].to_pylist()]
            rows = rows.set_column(position, name, pa.array(texts, pa.string()))
    fields = kept_fields(connection, rows)
    return pa.table([rows["line"], pa.array(["invalid_utf8"] * rows.num_rows), fields], schema=REJECT_SCHEMA)
