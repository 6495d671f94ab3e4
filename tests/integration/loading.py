"""Loads small files in tests, and compares what the raw tables hold."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import psycopg2

from assets.ingest.lastfm_1k import LISTENS_NAME
from assets.ingest.load import load_files
from assets.ingest.mapping import Mapping
from assets.ingest.records import LoadReport, Source
from assets.ingest.tabular import Tabular

TABLES = ("users", "artists", "tracks", "listens", "rejected_listens", "ingest_files", "track_tags", "blocks")
VOLATILE = {"ingested_at", "started_at", "finished_at", "path"}


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
    assert len(reports) == 1
    assert reports[0].rows_read == reports[0].rows_loaded + reports[0].rows_rejected + reports[0].rows_duplicate
    return reports[0]


def write_lastfm(folder: Path, *rows: tuple[str, ...], name: str = LISTENS_NAME) -> Path:
    path = folder / name
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path
