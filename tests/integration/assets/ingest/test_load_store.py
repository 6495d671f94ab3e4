"""Files in an S3 store, behind a server on this machine, into PostgreSQL."""

import gzip
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loading import query, tabular, write_csv
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from s3fs import S3FileSystem

from assets.ingest.landing import load_landed
from assets.ingest.landing_files import list_landing
from assets.ingest.landing_news import Watched, news
from assets.ingest.listing import list_files
from assets.ingest.load import load_files
from assets.ingest.records import Progress
from warehouse.errors import AudoticsError

BUCKET = "s3://exports"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an S3 server."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3FileSystem]:
    """The store that addresses lead to, with an empty bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "audotics")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-a-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    S3FileSystem.clear_instance_cache()
    filesystem = fsspec.filesystem("s3")
    filesystem.mkdir("exports")
    yield filesystem
    filesystem.rm("exports", recursive=True)
    S3FileSystem.clear_instance_cache()


def test_every_kind_of_file_is_loaded_from_its_address(store: S3FileSystem, warehouse_url: str, tmp_path: Path) -> None:
    plain = write_csv(tmp_path, "ada,1400000000,x").read_bytes()
    second = write_csv(tmp_path, "bob,1400000001,y").read_bytes()
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("My Data/c.csv", write_csv(tmp_path, "cyd,1400000002,z").read_bytes())
    pq.write_table(pa.table({"u": ["dan"], "t": [1400000003], "id": ["w"]}), tmp_path / "d.parquet")
    files = {
        "a.csv": plain,
        "2024/b.csv.gz": gzip.compress(second),
        "c.zip": (tmp_path / "c.zip").read_bytes(),
        "d.parquet": (tmp_path / "d.parquet").read_bytes(),
        ".upload": plain,
        "notes.txt": b"x",
    }
    for name, content in files.items():
        store.pipe(f"exports/2026/{name}", content)
    expected = [f"{BUCKET}/2026/{name}" for name in ("2024/b.csv.gz", "a.csv", "c.zip/My Data/c.csv", "d.parquet")]
    reports = load_files(warehouse_url, tabular(), [f"{BUCKET}/2026/"])
    assert [(report.file, report.rows_loaded) for report in reports] == [(address, 1) for address in expected]
    assert query(warehouse_url, "SELECT path FROM raw.ingest_files ORDER BY file_id") == [(each,) for each in expected]
    # The store tags each version, so every file is known where it lies, however new.
    assert query(warehouse_url, "SELECT count(version) FROM raw.file_places") == [(4,)]
    given = [f"{BUCKET}/2026/*.csv", f"{BUCKET}/2026/c.zip/My Data", f"{BUCKET}/2026/d.parquet"]
    again = load_files(warehouse_url, tabular(), given)
    assert [(report.file, report.already_loaded) for report in again] == [(each, True) for each in expected[1:]]


def test_what_comes_into_a_store_later_is_seen(store: S3FileSystem) -> None:
    store.pipe("exports/a.csv", b"x")
    assert [file.name for file in list_files(BUCKET).files] == ["a.csv"]
    # Of another process: this one's memory of the bucket knows nothing of it.
    S3FileSystem(skip_instance_cache=True).pipe("exports/b.csv", b"x")
    assert [file.name for file in list_files(BUCKET).files] == ["a.csv", "b.csv"]
    assert [file.name for file in list_files(f"{BUCKET}/b.csv").files] == ["b.csv"]
    with pytest.raises(AudoticsError, match=r"no file or folder s3://exports/c\.csv"):
        list_files(f"{BUCKET}/c.csv")
    with pytest.raises(AudoticsError, match="s3://nowhere"):
        list_files("s3://nowhere/a.csv")


def test_an_object_that_is_replaced_while_it_is_read_is_refused(
    store: S3FileSystem, warehouse_url: str, tmp_path: Path
) -> None:
    path = write_csv(tmp_path, "ada,1400000000,x")
    store.pipe("exports/a.csv", path.read_bytes())

    def replace(progress: Progress) -> None:
        if progress.stage == "reading":
            store.pipe("exports/a.csv", path.read_bytes().replace(b"ada", b"bob"))

    with pytest.raises(AudoticsError, match=r"s3://exports/a\.csv changed while it was being read"):
        load_files(warehouse_url, tabular(), [f"{BUCKET}/a.csv"], replace)
    assert query(warehouse_url, "SELECT count(*) FROM raw.ingest_files") == [(0,)]


def test_a_store_that_lets_nobody_in_is_one_line(store: S3FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pipe("exports/a.csv", b"x")
    (file,) = list_files(f"{BUCKET}/a.csv").files
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    # Nor is there a machine of Amazon's to ask.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(AudoticsError, match=r"cannot read s3://exports/a\.csv: .* the credentials for it"):
        list_files(f"{BUCKET}/a.csv")
    assert file.stamp().size == 1


def test_a_landing_folder_in_a_store_is_read_as_one_on_disk(
    store: S3FileSystem, warehouse_url: str, tmp_path: Path
) -> None:
    landing = f"{BUCKET}/landing"
    mapping = 'source = "shop"\n[columns]\nuser_id = "u"\ntrack_id = "id"\nlistened_at = "t"\n[time]\nunit = "s"\n'
    whole = gzip.compress(write_csv(tmp_path, "bob,1400000300,y").read_bytes())
    files = {
        "lastfm/ada/a.csv": b"uts,artist,track\n1400000000,Deep Dish,Roads\n",
        "tabular/shop/mapping.toml": mapping.encode(),
        "tabular/shop/b.csv.gz": whole[:-9],
        "tabular/shop/c.csv.part": b"u,t,id\n",
        "notes.txt": b"x",
    }
    for name, content in files.items():
        store.pipe(f"exports/landing/{name}", content)
    done = load_landed(warehouse_url, landing)
    assert [report.file for report in done.reports] == [f"{landing}/lastfm/ada/a.csv"]
    assert [each.path for each in done.faults] == [f"{landing}/notes.txt", f"{landing}/tabular/shop/b.csv.gz"]
    watched = news(list_landing(landing), {each.path: each for each in done.faults}, Watched()).watched
    assert len(watched.digests) == 2, "what had no fault is not among the faults; nothing else is new"
    store.pipe("exports/landing/tabular/shop/b.csv.gz", whole)
    store.rm("exports/landing/notes.txt")
    done = load_landed(warehouse_url, landing)
    assert ([report.rows_loaded for report in done.reports], done.faults) == ([1, 1], [])
    with pytest.raises(AudoticsError, match=r"cannot read the landing folder s3://nowhere/landing"):
        list_landing("s3://nowhere/landing")
    assert list_landing(f"{BUCKET}/empty") == []
