"""Rows for the parser, and what it makes of them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from assets.ingest.parse import ParsedBatch, Parser
from assets.ingest.records import REJECT_SCHEMA, ParseRules, RawBatch, TimeRule

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MBID = "F1B1CF71-bd35-4e99-8624-24a6e15f133a"
GOOD = {
    "user_id": "ada",
    "listened_at": "2009-05-04T23:08:57Z",
    "artist_mbid": "",
    "artist_name": "Portishead",
    "recording_mbid": "",
    "title": "Roads",
}
ISO = ParseRules(source="shop", time=TimeRule(("iso8601",)), times_are_from="shop.toml")
NAMES_REQUIRED = ParseRules(source="lastfm-1k", time=TimeRule(("iso8601",)), names_required=True)


def parse(rules: ParseRules, **columns: Sequence[object] | pa.Array) -> ParsedBatch:
    arrays = {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    count = len(next(iter(arrays.values())))
    rows = pa.table({"line": pa.array(range(1, count + 1), pa.int64()), **arrays})
    return Parser(rules, NOW).parse(RawBatch(rows, REJECT_SCHEMA.empty_table(), 1.0))


def parse_rows(rules: ParseRules, *changes: dict[str, str | None]) -> ParsedBatch:
    rows = [GOOD | change for change in changes]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return parse(rules, **{name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})


def reasons_of(parsed: ParsedBatch) -> list[tuple[int, str]]:
    return [(row["line"], row["reason"]) for row in parsed.rejects.to_pylist()]


def times_of(unit: str, values: Sequence[object] | pa.Array, zone: str = "UTC") -> list[str]:
    """Return per value its time in UTC, or the reason why it is refused."""
    rules = ParseRules(source="shop", time=TimeRule((unit,), zone))
    count = len(values)
    parsed = parse(rules, user_id=["ada"] * count, track_id=["t"] * count, listened_at=values)
    found = {row["line"]: row["listened_at"].isoformat() for row in parsed.listens.to_pylist()}
    found |= dict(reasons_of(parsed))
    return [found[line] for line in range(1, count + 1)]
