"""Turn a batch of raw rows into listens, or into rejects with the first reason that applies."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from assets.ingest.credits_sql import members_query
from assets.ingest.duck import connect_offline
from assets.ingest.parse_sql import listens_query
from assets.ingest.records import FIELDS, REJECT_SCHEMA, TIME_REASONS, ParseRules, RawBatch
from assets.ingest.rejects import kept_fields
from warehouse.errors import AudoticsError

# Fields whose values are replaced by null where they are not usable.
NULLED = (
    "recording_mbid",
    "artist_mbid",
    "isrc",
    "duration_ms",
    "ms_played",
    "skipped",
    "weight",
    "age",
    "registered_on",
)


@dataclass(frozen=True)
class ParsedBatch:
    """The rows of one batch, understood.

    Attributes:
        listens: columns as `parse_sql.listens_query` names them, `reason` apart; in the order of the file.
        rejects: REJECT_SCHEMA, those of the reader included.
        credits: columns as `credits_sql.members_query` names them; None where the mapping has no lists of artists.
        nulled: listens per field whose value was replaced by null.
        odd_times: the texts of the first times that were refused.
    """

    listens: pa.Table
    rejects: pa.Table
    nulled: dict[str, int]
    odd_times: list[str]
    credits: pa.Table | None = None


class Parser:
    """Applies one source's rules, batch after batch.

    Raises:
        AudoticsError: the time zone or the strptime format of the rules does not exist.
    """

    def __init__(self, rules: ParseRules, now: datetime) -> None:
        self._rules = rules
        self._latest = now + timedelta(days=1)
        self._connection = connect_offline()
        self._check_time_rule()

    def parse(self, batch: RawBatch) -> ParsedBatch:
        """Return the batch's listens and rejects."""
        if batch.rows.num_rows == 0:
            return ParsedBatch(batch.rows, batch.rejects, {}, [])
        kinds = {
            field.name: _kind(batch.rows.schema.field(field.name).type)
            for field in FIELDS
            if field.name in batch.rows.column_names
        }
        query = listens_query(kinds, self._rules, self._latest, "refused" in batch.rows.column_names)
        self._connection.register("batch", _trimmed(batch.rows))
        parsed = self._connection.sql(query).to_arrow_table()
        is_listen = pc.is_null(parsed["reason"])
        listens = parsed.filter(is_listen).drop_columns(["reason"])
        nulled = {name: pc.sum(listens[f"{name}_nulled"]).as_py() or 0 for name in NULLED}
        rejects, odd_times = batch.rejects, list[str]()
        if listens.num_rows < parsed.num_rows:
            refused = self._refused(batch, parsed, pc.invert(is_listen))
            rejects = pa.concat_tables([rejects, refused.select(REJECT_SCHEMA.names)])
            odd = refused.filter(pc.is_in(refused["reason"], pa.array(TIME_REASONS)))
            odd_times = [text for text in odd["time"].slice(0, 5).to_pylist() if text is not None]
        credits = self._credits(listens) if "credits" in batch.rows.column_names else None
        if credits is not None:
            credits, nulled["credits"] = credits
        nulled = {name: count for name, count in nulled.items() if count}
        return ParsedBatch(listens, rejects, nulled, odd_times, credits)

    def _credits(self, listens: pa.Table) -> tuple[pa.Table, int]:
        """Return who the listens credit, and how many of them credit somebody whom nothing usable names."""
        self._connection.register("accepted", listens.select(["line", "artist_natural_key"]))
        members = self._connection.sql(members_query(self._rules.source)).to_arrow_table()
        unnamed = members.filter(pc.is_null(members["line"]))["position"][0].as_py()
        return members.filter(pc.is_valid(members["line"])), unnamed

    def _refused(self, batch: RawBatch, parsed: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
        """Return the rejects of the batch's rows, with the text of their `time`."""
        rows = batch.rows.filter(mask)
        fields = kept_fields(self._connection, rows)
        found = parsed.filter(mask)
        if "listened_at" not in rows.column_names:
            columns = {"line": found["line"], "reason": found["reason"], "fields": fields}
            return pa.table({**columns, "time": pa.nulls(len(rows), pa.string())})
        self._connection.register("refused", rows)
        times = self._connection.sql("SELECT listened_at::VARCHAR AS time FROM refused").to_arrow_table()
        return pa.table({"line": found["line"], "reason": found["reason"], "fields": fields, "time": times["time"]})

    def _check_time_rule(self) -> None:
        time = self._rules.time
        try:
            self._connection.execute("SET TimeZone = $zone", {"zone": time.zone or "UTC"})
        except duckdb.Error as error:
            raise AudoticsError(
                f"{self._rules.times_are_from}: time.zone {time.zone!r} is not an IANA zone such as 'Europe/Berlin'"
            ) from error
        for unit in time.units:
            if "%" not in unit:
                continue
            try:
                self._connection.execute("SELECT try_strptime('', $format)", {"format": unit}).fetchall()
            except duckdb.Error as error:
                raise AudoticsError(
                    f"{self._rules.times_are_from}: time.unit {unit!r} is not a strptime format; "
                    "one is '%d %b %Y, %H:%M'"
                ) from error


def _trimmed(rows: pa.Table) -> pa.Table:
    for field in FIELDS:
        if field.name in rows.column_names and pa.types.is_string(rows.schema.field(field.name).type):
            position = rows.column_names.index(field.name)
            rows = rows.set_column(position, field.name, pc.utf8_trim_whitespace(rows[field.name]))
    return rows


def _kind(kind: pa.DataType) -> str:
    """Return how a column of this type is to be read: text, integer, real or instant."""
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "real"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "instant"
    return "text"
