"""Real listening logs through the readers."""

import hashlib
from pathlib import Path

import psycopg2
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assets.ingest.lastfm_1k import LastFm1k
from assets.ingest.load import load_files
from assets.ingest.mapping import read_mapping
from assets.ingest.tabular import Tabular
from tests.repository import ROOT
from warehouse.errors import AudoticsError

pytestmark = pytest.mark.realdata

MAPPING = ROOT / "examples" / "mappings" / "30music.toml"
SESSIONS = "30music/sessions_sample_10.parquet"


def _rows(url: str, statement: str) -> list[tuple]:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
    connection.close()
    return rows


def _checksums(url: str) -> dict[str, str]:
    tables = ("users", "artists", "tracks", "listens", "rejected_listens", "ingest_files")
    return {
        table: hashlib.sha256(repr(_rows(url, f"SELECT * FROM raw.{table} ORDER BY 1, 2, 3")).encode()).hexdigest()
        for table in tables
    }


def test_tags_of_hetrec_are_loaded_but_for_those_of_the_390_artists_that_it_lacks(
    warehouse_url: str, shared_data: Path
) -> None:
    counts = []
    for name, file in (("hetrec_artists", "artists.dat"), ("hetrec_tags", "user_taggedartists.dat")):
        mapping = MAPPING.with_name(f"{name}.toml")
        source = Tabular(read_mapping(mapping), str(mapping))
        (report,) = load_files(warehouse_url, source, [shared_data / "hetrec2011-lastfm-2k" / file])
        counts.append((report.rows_read, report.rows_loaded, report.rejected_by_reason))
    assert counts == [(17_632, 17_632, {}), (186_479, 184_941, {"unknown_artist": 1_538})]
    orphans = "SELECT count(DISTINCT fields->>'artist_id')::int FROM raw.rejected_listens"
    assert _rows(warehouse_url, orphans) == [(390,)]
    french = "SELECT count(*) > 0 FROM raw.artist_tags WHERE tag = 'rock français'"
    assert _rows(warehouse_url, french) == [(True,)]


def test_every_listen_of_the_30music_sample_is_loaded(warehouse_url: str, shared_data: Path) -> None:
    source, path = Tabular(read_mapping(MAPPING), str(MAPPING)), shared_data / SESSIONS
    (report,) = load_files(warehouse_url, source, [path])
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (343_183, 343_183, 0)
    table = pq.read_table(path)
    first, last = (pc.min_max(table["ts"])[end].as_py() for end in ("min", "max"))
    assert _rows(
        warehouse_url,
        "SELECT count(*), count(DISTINCT user_key), count(DISTINCT track_key), max(user_key), max(track_key),"
        " extract(epoch FROM min(listened_at))::int, extract(epoch FROM max(listened_at))::int, sum(ms_played)"
        " FROM raw.listens",
    ) == [(343_183, 14_262, 9_999, 14_261, 9_998, first, last, 1000 * pc.sum(table["playtime"]).as_py())]
    loaded = _rows(
        warehouse_url,
        "SELECT user_id::int, track_id::int, extract(epoch FROM listened_at)::int, ms_played / 1000 FROM raw.listens"
        " INNER JOIN raw.users USING (user_key) INNER JOIN raw.tracks USING (track_key)",
    )
    columns = [table[name].to_pylist() for name in ("user_id", "song_id", "ts", "playtime")]
    assert sorted(loaded) == sorted(zip(*columns, strict=True))
    before = _checksums(warehouse_url)
    (again,) = load_files(warehouse_url, source, [path])
    assert (again.already_loaded, again.rows_loaded) == (True, 343_183)
    assert _checksums(warehouse_url) == before


def test_30music_seconds_read_as_milliseconds_are_refused(
    warehouse_url: str, shared_data: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(MAPPING.read_text().replace('unit = "s"', 'unit = "ms"'))
    with pytest.raises(AudoticsError, match=r'before 2000 when read as ms .* set unit = "s" under \[time\] in wrong'):
        load_files(warehouse_url, Tabular(read_mapping(wrong), wrong.name), [shared_data / SESSIONS])
    assert _rows(warehouse_url, "SELECT count(*) FROM raw.ingest_files") == [(0,)]
    assert _rows(warehouse_url, "SELECT count(*) FROM raw.users") == [(0,)]


def test_the_head_of_lastfm_1k_is_accounted_for_and_its_profiles_are_kept(
    warehouse_url: str, shared_data: Path
) -> None:
    (report,) = load_files(warehouse_url, LastFm1k(), [shared_data / "lastfm-1k"])
    assert (report.rows_read, report.rows_loaded + report.rows_rejected + report.rows_duplicate) == (5_000, 5_000)
    assert (report.rows_loaded, report.rejected_by_reason) == (5_000, {})
    assert _rows(
        warehouse_url,
        "SELECT user_id, gender, age, country, registered_on::text FROM raw.users ORDER BY user_key",
    ) == [("user_000001", "m", None, "Japan", "2006-08-13"), ("user_000002", "f", None, "Peru", "2006-02-24")]
    before = _checksums(warehouse_url)
    (again,) = load_files(warehouse_url, LastFm1k(), [shared_data / "lastfm-1k"])
    assert (again.already_loaded, again.rows_loaded) == (True, report.rows_loaded)
    assert _checksums(warehouse_url) == before


def test_a_truncated_copy_of_the_30music_sample_loads_nothing(
    warehouse_url: str, shared_data: Path, tmp_path: Path
) -> None:
    content = (shared_data / SESSIONS).read_bytes()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudoticsError, match=r"cut\.parquet is not a whole Parquet file"):
        load_files(warehouse_url, Tabular(read_mapping(MAPPING)), [cut])
    assert _rows(warehouse_url, "SELECT count(*) FROM raw.ingest_files") == [(0,)]
