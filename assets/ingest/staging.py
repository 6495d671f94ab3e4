"""From the batches of a file to temporary tables, and from these into the raw schema, in the transaction of a load."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from assets import blocks
from assets.ingest import blocks_sql, credits_sql, merge_sql, profiles_sql, tags_sql
from assets.ingest.files import InputFile
from assets.ingest.mentions import MentionCounter
from assets.ingest.parse import ParsedBatch, Parser
from assets.ingest.records import PROFILE_SCHEMA, ParseRules, Progress, ProgressCallback, RawBatch
from assets.ingest.refusal import Tally
from warehouse.locks import acquire


def stage(
    cursor: dbapi.Cursor,
    file: InputFile,
    batches: Iterator[RawBatch],
    rules: ParseRules,
    now: datetime,
    progress: ProgressCallback,
) -> Tally:
    """Read the batches of a file into temporary tables and return what was counted on the way."""
    for statement in (merge_sql.TRANSACTION_SETTING, *merge_sql.STAGING, tags_sql.STAGING, profiles_sql.STAGING):
        cursor.execute(statement)
    if rules.kind == "blocks":
        cursor.execute(blocks_sql.STAGING)
    if rules.has_credits:
        cursor.execute(credits_sql.STAGING)
    parser, mentions, tally = Parser(rules, now), MentionCounter(), Tally()
    with ThreadPoolExecutor(1) as writer:
        # While PostgreSQL takes in one batch, the next is read.
        written = writer.submit(_ingest_all, cursor, {})
        for batch, parsed in parsed_batches(batches, parser):
            tally.add(batch, parsed)
            tables = _tables(parsed, rules, mentions)
            written.result()
            written = writer.submit(_ingest_all, cursor, tables)
            progress(Progress(file, "reading", batch.done, tally.rows_read))
        written.result()
    return tally


def parsed_batches(batches: Iterator[RawBatch], parser: Parser) -> Iterator[tuple[RawBatch, ParsedBatch]]:
    """Yield each batch and what is parsed of it, while a thread reads the next: two batches are in memory."""
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(next, batches, None)
        while (batch := reading.result()) is not None:
            reading = reader.submit(next, batches, None)
            yield batch, parser.parse(batch)


def _tables(parsed: ParsedBatch, rules: ParseRules, mentions: MentionCounter) -> dict[str, pa.Table]:
    """Return what a batch adds to each temporary table."""
    rows, tables = parsed.listens, {"staged_rejects": parsed.rejects}
    if rules.kind == "tags":
        return {**tables, "staged_tags": _tags(rows, rules)}
    if rules.kind == "blocks":
        return {**tables, "staged_blocks": _blocks(rows)}
    if rules.kind == "profiles":
        return {**tables, "staged_profile_rows": rows.select(["line", *PROFILE_SCHEMA.names])}
    if not rows.num_rows:
        return tables
    split = mentions.split(rows, parsed.credits)
    tables |= {"staged_users": split.users, "staged_artists": split.artists, "staged_tracks": split.tracks}
    if split.credits is not None:
        tables["staged_credits"] = split.credits
    return {**tables, "staged_listens": split.listens} if rules.kind == "listens" else tables


def _ingest_all(cursor: dbapi.Cursor, tables: Mapping[str, pa.Table]) -> None:
    for table, rows in tables.items():
        ingest(cursor, table, rows)


def ingest(cursor: dbapi.Cursor, table: str, rows: pa.Table) -> None:
    """Copy rows into a temporary table."""
    if rows.num_rows:
        cursor.adbc_ingest(table, rows, mode="append", temporary=True)


def _tags(rows: pa.Table, rules: ParseRules) -> pa.Table:
    names = {
        "line": "line",
        "natural_key": "track_natural_key" if rules.of_tracks else "artist_natural_key",
        "track_id": "track_source_id",
        "artist_id": "artist_source_id",
    }
    same = ("user_id", "title", "artist_name", "recording_mbid", "artist_mbid", "tag", "weight")
    return rows.select([*names.values(), *same]).rename_columns([*names, *same])


def _blocks(rows: pa.Table) -> pa.Table:
    names = {"track_id": "track_source_id", "artist_id": "artist_source_id"}
    same = ("line", "user_id", "item_kind", "track_natural_key", "artist_natural_key", "title", "artist_name")
    mbids = ("recording_mbid", "artist_mbid")
    return rows.select([*names.values(), *same, *mbids]).rename_columns([*names, *same, *mbids])


def merge_kind(
    cursor: dbapi.Cursor, file_id: int, rules: ParseRules, tally: Tally, progress: Callable[[float], None]
) -> int:
    """Move the staged rows of any kind into raw.* and return how many of them are loaded. Needs `lock`.

    Of a catalogue or profiles, the first row of each track, artist or user is loaded. Tags and blocks of what is not
    known are rejected, and counted so in the tally.
    """
    if rules.kind == "listens":
        return merge(cursor, file_id, rules, tally.listens, progress)
    if rules.kind == "profiles":
        for statement in profiles_sql.merge_profiles(file_id):
            cursor.execute(statement)
        return _count(cursor, f"raw.user_profiles WHERE file_id = {file_id:d}")
    if rules.kind == "blocks":
        return _merge_blocks(cursor, file_id, tally)
    kind = "track" if rules.of_tracks else "artist"
    if rules.kind == "catalogue":
        merge(cursor, file_id, rules, 0, progress)
        return _count(cursor, f"raw.{kind}_mentions WHERE file_id = {file_id:d}")
    for statement in tags_sql.merge_tags(kind, file_id):
        cursor.execute(statement)
    cursor.execute(tags_sql.COUNTS)
    loaded, unknown = cursor.fetchone()
    if unknown:
        tally.rejected[f"unknown_{kind}"] += unknown
        tally.listens -= unknown
    progress(1.0)
    return int(loaded)


def _merge_blocks(cursor: dbapi.Cursor, file_id: int, tally: Tally) -> int:
    """Block what is staged, for good: the transaction has the lock of blocks to its end."""
    acquire(cursor, blocks.LOCK)
    loaded = 0
    for name, statement in blocks_sql.merge_blocks(file_id).items():
        cursor.execute(statement)
        if name == "blocks":
            loaded = cursor.rowcount
    cursor.execute(blocks_sql.UNKNOWN_COUNTS)
    for reason, rows in cursor.fetchall():
        tally.rejected[reason] += rows
        tally.listens -= rows
    return loaded


def _count(cursor: dbapi.Cursor, rows: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {rows}")
    return int(cursor.fetchone()[0])


def merge(cursor: dbapi.Cursor, file_id: int, rules: ParseRules, staged: int, progress: Callable[[float], None]) -> int:
    """Move the staged rows into raw.* and return how many of the `staged` listens were new. Needs `lock`."""
    loaded = 0
    statements = merge_sql.merge_statements(file_id, rules.source, rules.has_credits)
    for position, (name, statement) in enumerate(statements.items(), 1):
        if name != "duplicates" or loaded < staged:
            cursor.execute(statement)
        if name == "listens":
            loaded = cursor.rowcount
        progress(position / len(statements))
    return loaded


def lock(cursor: dbapi.Cursor) -> None:
    """Wait until no other load is merging; held to the end of the transaction."""
    acquire(cursor, merge_sql.LOCK)
