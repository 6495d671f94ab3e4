"""Rows a second and peak memory of loads, by format and size, beside the floor, and prints both.

    python -m benchmarks.ingest --rows 1000000 10000000
    python -m benchmarks.ingest --formats spotify --json

The floor is what no load can beat: the same rows, parsed already, go from Arrow through ADBC into a table without an
index. Every load is a process of its own on an empty warehouse, so that peak memory is that of one load.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
from adbc_driver_postgresql import dbapi

from assets.ingest.formats.recognise import recognise
from assets.ingest.load import load_files
from assets.ingest.mapping import Mapping
from assets.ingest.records import Source
from assets.ingest.tabular import Tabular
from benchmarks.pipeline import own_home
from orchestration.cli.rendering import print_json, print_table, say

LISTENS_PER_USER = 200
TRACKS = 50_000
TRACKS_PER_ARTIST = 12
FLOOR_ROWS = 1_000_000
# Popular tracks are heard more often: the cube of an even draw. The same bytes each time.
ROWS = f"""
    SELECT
        'user_' || (i * 7919 % greatest({{rows}} // {LISTENS_PER_USER}, 1)) AS user_id,
        1400000000 + i * 31 % 300000000 AS epoch,
        (((hash(i) % 1000000) / 1e6) ** 3 * {TRACKS})::INT AS track,
        track // {TRACKS_PER_ARTIST} AS artist,
        CAST(md5('artist' || artist) AS UUID)::TEXT AS artist_mbid,
        CAST(md5('track' || track) AS UUID)::TEXT AS recording_mbid,
        'Artist ' || artist AS artist_name,
        'Title ' || track AS title,
        30000 + i % 200000 AS ms_played
    FROM range({{first}}, {{last}}) AS numbers(i)
"""
COLUMNS = {
    "user_id": "user_id", "listened_at": "epoch", "artist_mbid": "artist_mbid", "artist_name": "artist_name",
    "recording_mbid": "recording_mbid", "title": "title", "ms_played": "ms_played",
}  # fmt: skip
ISO = "strftime(to_timestamp({}) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"


@dataclass(frozen=True)
class Format:
    """A file of the rows: its name, its columns as SQL over ROWS, and how DuckDB writes them."""

    file: str
    columns: str
    options: str


_PLAIN = ", ".join(COLUMNS.values())
FORMATS = {
    "lastfm-1k": Format(
        "userid-timestamp-artid-artname-traid-traname.tsv",
        f"user_id, {ISO.format('epoch')}, artist_mbid, artist_name, recording_mbid, title",
        "FORMAT csv, DELIMITER '\t', HEADER false, QUOTE ''",
    ),
    "parquet": Format("listens.parquet", _PLAIN, "FORMAT parquet"),
    "csv": Format("listens.csv", _PLAIN, "FORMAT csv"),
    "jsonl": Format("listens.jsonl", _PLAIN, "FORMAT json"),
    "spotify": Format(
        "Streaming_History_Audio_0.json",
        f"{ISO.format('epoch + ms_played // 1000')} AS ts, user_id AS username, ms_played, 'DE' AS conn_country,"
        " title AS master_metadata_track_name, artist_name AS master_metadata_album_artist_name,"
        " 'spotify:track:' || track AS spotify_track_uri, NULL AS episode_name, false AS incognito_mode",
        "FORMAT json, ARRAY true",
    ),
}


@dataclass(frozen=True)
class Measured:
    """What one load cost.

    Attributes:
        seconds: of the load, its file in the page cache.
        floor_rows_per_second: of the same rows, parsed, into a table.
        peak_mb: the largest resident size of the process that loaded.
    """

    format: str
    rows: int
    file_mb: float
    seconds: float
    floor_rows_per_second: float
    peak_mb: float

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def share_of_floor(self) -> float:
        return self.rows_per_second / self.floor_rows_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    results = [measure(name, rows) for name in chosen.formats for rows in chosen.rows]
    if chosen.json:
        print_json([asdict(each) for each in results])
        return
    columns = ("format", "rows", "file MB", "seconds", "rows/s", "floor rows/s", "of the floor", "peak MB")
    print_table(
        "loads",
        columns,
        [
            (
                each.format, f"{each.rows:,}", f"{each.file_mb:,.0f}", f"{each.seconds:.1f}",
                f"{each.rows_per_second:,.0f}", f"{each.floor_rows_per_second:,.0f}", f"{each.share_of_floor:.0%}",
                f"{each.peak_mb:,.0f}",
            )
            for each in results
        ],
    )  # fmt: skip


def measure(name: str, rows: int) -> Measured:
    """Write a file of so many rows, and load it into a warehouse of its own."""
    with tempfile.TemporaryDirectory() as folder, own_home() as platform:
        path = write(Path(folder), FORMATS[name], rows)
        seconds, peak_mb = in_its_own_process(load, platform.warehouse_url, name, path)
        floor = in_its_own_process(load_parsed, platform.warehouse_url, min(rows, FLOOR_ROWS))
        found = Measured(name, rows, path.stat().st_size / 1e6, seconds, floor, peak_mb)
    say(f"{name}, {rows:,} rows: {found.rows_per_second:,.0f} rows/s, {found.share_of_floor:.0%} of the floor")
    return found


def write(folder: Path, written: Format, rows: int) -> Path:
    """Write the rows in a format."""
    path = folder / written.file
    query = f"SELECT {written.columns} FROM ({ROWS.format(rows=rows, first=0, last=rows)})"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' ({written.options})")
    return path


def in_its_own_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns in a process that has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def load(warehouse_url: str, name: str, path: Path) -> tuple[float, float]:
    """Seconds of a load, and MB of the largest resident size of this process."""
    source, started = source_of(name, path), time.perf_counter()
    (report,) = load_files(warehouse_url, source, [path])
    seconds = time.perf_counter() - started
    if report.rows_loaded + report.rows_duplicate != report.rows_read:
        raise AssertionError(f"{path} was to load whole, but {report} says otherwise")
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def source_of(name: str, path: Path) -> Source:
    """The reader of a format: one that is recognised, or a mapping."""
    if name in ("lastfm-1k", "spotify"):
        return recognise(str(path), name).source
    keys = {"source": name, "columns": COLUMNS, "time": {"unit": "s"}}
    return Tabular(Mapping.model_validate(keys), name)


def load_parsed(warehouse_url: str, rows: int) -> float:
    """Rows a second that ADBC takes from Arrow into a table that has no index."""
    columns = _PLAIN.replace("epoch", "to_timestamp(epoch) AS listened_at")
    with duckdb.connect() as connection:
        query = f"SELECT {columns}, 0::BIGINT AS line FROM ({ROWS.format(rows=rows, first=0, last=rows)})"
        parsed = connection.sql(query).to_arrow_table()
    with dbapi.connect(warehouse_url) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        cursor.adbc_ingest("floor_of_loads", parsed, mode="create")
        connection.commit()
        seconds = time.perf_counter() - started
        cursor.execute("DROP TABLE floor_of_loads")
        connection.commit()
    return rows / seconds


if __name__ == "__main__":
    main()
