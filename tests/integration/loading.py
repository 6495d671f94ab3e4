"""Loads small files in tests, and compares what the raw tables hold."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2

from assets.ingest.lastfm_1k import LISTENS_NAME
from assets.ingest.load import load_files
from assets.ingest.mapping import Mapping
from assets.ingest.records import LoadReport, Source
from assets.ingest.tabular import Tabular

# Of this database: other tests use the same server.
THIS_DATABASE = "(select oid from pg_database where datname = current_database())"
ADVISORY_LOCKS = f"pg_locks where locktype = 'advisory' and database = {THIS_DATABASE}"
TABLES = (
    "users",
    "artists",
    "tracks",
    "listens",
    "rejected_listens",
    "ingest_files",
    "track_artists",
    "track_tags",
    "artist_tags",
    "blocks",
)
VOLATILE = {"ingested_at", "started_at", "finished_at", "path", "loaded_by"}


def query(url: str, statement: str) -> list[tuple]:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
    connection.close()
    return rows


def until_somebody_waits(warehouse_url: str, done: Callable[[], bool]) -> None:
    """Return when a session of the warehouse waits for an advisory lock."""
    waiting = (
        "select 1 from pg_locks inner join pg_stat_activity using (pid)"
        " where datname = current_database() and locktype = 'advisory' and not granted"
    )
    while not query(warehouse_url, waiting):
        assert not done(), "it did not wait"
        time.sleep(0.02)


_LOAD = "(SELECT sha256 || format FROM raw.ingest_files AS files WHERE files.file_id = t.file_id)"
_USER = "(SELECT user_id FROM raw.users WHERE users.user_key = t.user_key)"
_TRACK = "(SELECT natural_key FROM raw.tracks WHERE tracks.track_key = t.track_key)"
_ARTIST = "(SELECT natural_key FROM raw.artists WHERE artists.artist_key = t.artist_key)"
_LISTEN = f"{_LOAD}, {_USER}, {_TRACK}, listened_at, ms_played, skipped, source"
_BLOCK = (
    f"{_USER}, item_kind, CASE item_kind WHEN 'track' THEN"
    " (SELECT natural_key FROM raw.tracks WHERE track_key = item_key)"
    " ELSE (SELECT natural_key FROM raw.artists WHERE artist_key = item_key) END"
)
_BY_NATURAL_KEYS = {
    "ingest_files": "sha256, format, kind, bytes, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out,"
    " left_out, rejected, first_listened_at, last_listened_at",
    "users": f"user_id, listener_key, gender, age, country, registered_on, {_LOAD}",
    "artists": f"natural_key, artist_id, artist_mbid, name, {_LOAD}",
    "tracks": f"natural_key, track_id, recording_mbid, isrc, title, duration_ms, {_ARTIST}, {_LOAD}",
    "listens": _LISTEN,
    "duplicate_listens": _LISTEN,
    "rejected_listens": f"{_LOAD}, line, reason, fields",
    "user_mentions": f"{_LOAD}, {_USER}",
    "artist_mentions": f"{_LOAD}, {_ARTIST}, line, source_id, name",
    "track_mentions": f"{_LOAD}, {_TRACK}, line, source_id, title, isrc, duration_ms, {_ARTIST}",
    "user_profiles": f"{_LOAD}, user_id, gender, age, country, registered_on",
    "track_artists": f"{_LOAD}, {_TRACK}, position, {_ARTIST}, join_phrase",
    "track_tags": f"{_LOAD}, {_TRACK}, tag, weight, users",
    "artist_tags": f"{_LOAD}, {_ARTIST}, tag, weight, users",
    "blocks": f"{_LOAD}, {_BLOCK}",
    "block_mentions": f"{_LOAD}, {_BLOCK}",
}


def natural_state(url: str) -> dict[str, list[str]]:
    """Return the rows of each raw table by what they say, whatever the keys: users, tracks, artists and files go by
    their natural keys.
    """
    return {
        table: sorted(str(row) for row in query(url, f"SELECT {columns} FROM raw.{table} AS t"))
        for table, columns in _BY_NATURAL_KEYS.items()
    }


def empty_raw_tables(url: str) -> None:
    """Take every row, and every key that was ever given, out of a warehouse: cheaper than another one."""
    tables = ", ".join(f"raw.{table}" for table in (*_BY_NATURAL_KEYS, "listen_days", "given_keys", "file_places"))
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")
    connection.close()


def state_of(url: str) -> dict[str, tuple[int, str]]:
    """Return each raw table's row count and checksum, times of loading and places of files apart."""
    state = {}
    for table in TABLES:
        columns = query(
            url,
            f"SELECT column_name FROM information_schema.columns WHERE table_schema = 'raw' AND table_name = '{table}'"
            " ORDER BY column_name",
        )
        names = ", ".join(name for (name,) in columns if name not in VOLATILE)
        rows = query(url, f"SELECT {names} FROM raw.{table} ORDER BY {names}")
        state[table] = len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()
    return state


def tabular(unit: str = "s", **changes: object) -> Tabular:
    mapping = {
        "source": "shop",
        "columns": {"user_id": "u", "listened_at": "t", "track_id": "id"},
        "time": {"unit": unit},
    }
    return Tabular(Mapping.model_validate(mapping | changes), "shop.toml")


def write_csv(folder: Path, *rows: str, name: str = "listens.csv", header: str = "u,t,id") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def load(url: str, source: Source, *paths: Path) -> LoadReport:
    reports = load_files(url, source, paths)
    (report,) = reports
    counted = report.rows_loaded + report.rows_rejected + report.rows_duplicate + report.rows_left_out
    assert report.rows_read == counted
    return report


def write_lastfm(folder: Path, *rows: tuple[str, ...], name: str = LISTENS_NAME) -> Path:
    path = folder / name
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path
