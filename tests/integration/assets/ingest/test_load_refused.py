"""Files that are refused, and that nothing of them lands."""

import gzip
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loading import load, query, state_of, tabular, write_csv

from assets.ingest.files import InputFile
from assets.ingest.load import load_files
from assets.ingest.places import Place
from assets.ingest.records import Progress, RawBatch
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError


@pytest.mark.parametrize(
    ("unit", "values", "message"),
    [
        ("s", [1400000000000 + n for n in range(20)], r'20 of its 20 times .* in the future .* set unit = "ms"'),
        ("ms", [1400000000 + n for n in range(20)], r'before 2000 when read as ms .*1400000000.* set unit = "s"'),
        ("iso8601", [1400000000 + n for n in range(20)], r'not times when read as iso8601 .* set unit = "s"'),
        ("s", [1400000000000], r'1 of its 1 times .* set unit = "ms"'),
        ("s", [1400000000] * 9 + [1400000000000 + n for n in range(11)], r"11 of its 20 times are refused"),
    ],
)  # fmt: skip
def test_a_wrong_time_unit_is_refused_with_the_right_one(
    warehouse_url: str, tmp_path: Path, unit: str, values: list[int], message: str
) -> None:
    before = state_of(warehouse_url)
    path = write_csv(tmp_path, *(f"ada,{value},x" for value in values))
    with pytest.raises(AudoticsError, match=message) as raised:
        load_files(warehouse_url, tabular(unit), [path])
    assert "\n" not in str(raised.value)
    assert state_of(warehouse_url) == before


def test_a_few_odd_times_do_not_hold_up_a_file(warehouse_url: str, tmp_path: Path) -> None:
    rows = [f"ada,{1400000000 + n},x" for n in range(10)] + [f"ada,{n},x" for n in range(10)]
    report = load(warehouse_url, tabular(), write_csv(tmp_path, *rows))
    assert (report.rows_loaded, report.rejected_by_reason) == (10, {"before_2000": 10})


def _truncated_parquet(folder: Path) -> Path:
    path = folder / "cut.parquet"
    pq.write_table(pa.table({"u": ["ada"], "t": [1400000000], "id": ["x"]}), path)
    path.write_bytes(path.read_bytes()[:-30])
    return path


def _damaged_gzip(folder: Path) -> Path:
    rows = "".join(f"user {n * 7919 % 10007},{1400000000 + n},x\n" for n in range(40_000))
    path = folder / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"u,t,id\n" + rows.encode())[:-2000])
    return path


def _damaged_zip(folder: Path) -> Path:
    path = folder / "cut.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(write_csv(folder, "ada,1400000000,x"), "listens.csv")
    path.write_bytes(path.read_bytes()[:-10])
    return path


BAD_INPUT: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing file": (lambda folder: folder / "nope.csv", r"there is no file or folder .*nope\.csv"),
    "folder without listens": (lambda folder: folder, r"has no csv, json, jsonl, parquet, tsv, xlsx file"),
    "missing column": (
        lambda folder: write_csv(folder, "ada,1400000000,x", header="u,t,track"),
        r"no column 'id', .* for track_id; it has u, t, track",
    ),
    "truncated Parquet": (_truncated_parquet, r"cut\.parquet is not a whole Parquet file"),
    "truncated gzip": (_damaged_gzip, r"cut\.csv\.gz is damaged"),
    "truncated archive": (_damaged_zip, r"cut\.zip is damaged"),
    "empty": (lambda folder: write_csv(folder, header="\n"), r"listens\.csv is empty; give a file with rows"),
    "only malformed rows": (
        lambda folder: write_csv(folder, "a", "b"),
        r"none of its 2 rows can be loaded; 2 are refused as wrong_column_count, the first is line 2;",
    ),
}


@pytest.mark.parametrize("fault", BAD_INPUT)
def test_bad_input_is_one_line_and_loads_nothing(warehouse_url: str, tmp_path: Path, fault: str) -> None:
    make, message = BAD_INPUT[fault]
    before = state_of(warehouse_url)
    with pytest.raises(AudoticsError, match=message) as raised:
        load_files(warehouse_url, tabular(), [make(tmp_path)])
    assert "\n" not in str(raised.value)
    assert state_of(warehouse_url) == before


def test_a_file_of_a_header_alone_is_accounted_for(warehouse_url: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path)
    reports = [load(warehouse_url, tabular(), path) for _ in range(2)]
    assert [(report.rows_read, report.already_loaded) for report in reports] == [(0, False), (0, True)]
    counts = "SELECT rows_read, rows_loaded, rows_rejected, rows_duplicate FROM raw.ingest_files"
    assert query(warehouse_url, counts) == [(0, 0, 0, 0)]


def test_a_missing_path_is_noticed_before_anything_is_loaded(warehouse_url: str, tmp_path: Path) -> None:
    before = state_of(warehouse_url)
    with pytest.raises(AudoticsError, match="nope"):
        load_files(warehouse_url, tabular(), [write_csv(tmp_path, "ada,1400000000,x"), tmp_path / "nope"])
    assert state_of(warehouse_url) == before


def test_a_bad_file_leaves_those_before_it_loaded_and_the_connection_usable(warehouse_url: str, tmp_path: Path) -> None:
    good = write_csv(tmp_path, "ada,1400000000,x", name="a.csv")
    write_csv(tmp_path, "ada", name="b.csv")
    with pytest.raises(AudoticsError, match=r"b\.csv"):
        load_files(warehouse_url, tabular(), [tmp_path])
    assert query(warehouse_url, "SELECT rows_loaded, path FROM raw.ingest_files") == [(1, str(good))]


def test_an_unreachable_server_is_named_without_the_password(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "ada,1400000000,x")
    with pytest.raises(AudoticsError, match=r"127\.0\.0\.1:1 is not reachable") as raised:
        load_files("postgresql://audotics:hunter2@127.0.0.1:1/audotics", tabular(), [path])
    assert "hunter2" not in str(raised.value)


def cut_others(warehouse_url: str) -> None:
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    query(warehouse_url, f"{others} AND pid <> pg_backend_pid()")


def test_a_server_that_goes_away_in_the_middle_is_one_line_and_loads_nothing(
    warehouse_url: str, tmp_path: Path
) -> None:
    before = state_of(warehouse_url)

    def cut(progress: Progress) -> None:
        if progress.stage == "writing":
            cut_others(warehouse_url)

    with pytest.raises(AudoticsError, match=r"PostgreSQL failed while loading .*listens\.csv, nothing of it") as raised:
        load_files(warehouse_url, tabular(), [write_csv(tmp_path, "ada,1400000000,x")], cut)
    assert "\n" not in str(raised.value)
    assert state_of(warehouse_url) == before


def test_an_empty_database_asks_to_be_migrated(empty_database_url: str, tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match="no raw tables yet"):
        load_files(empty_database_url, tabular(), [write_csv(tmp_path, "ada,1400000000,x")])


def test_a_file_that_changes_while_it_is_read_is_refused(warehouse_url: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path, "ada,1400000000,x")
    before = state_of(warehouse_url)

    def append(progress: Progress) -> None:
        if progress.stage == "reading":
            path.write_text(path.read_text() + "bob,1400000001,y\n")

    with pytest.raises(AudoticsError, match="changed while it was being read"):
        load_files(warehouse_url, tabular(), [path], append)
    assert state_of(warehouse_url) == before


def test_a_damaged_file_that_goes_away_holds_up_no_other(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = tmp_path / "a.csv.gz", write_csv(tmp_path, "ada,1400000000,x", name="b.csv")
    bad.write_bytes(gzip.compress(good.read_bytes())[:-6])
    read = Tabular.read

    def taken_away(source: Tabular, file: InputFile) -> Iterator[RawBatch]:
        try:
            yield from read(source, file)
        finally:
            bad.unlink(missing_ok=True)

    monkeypatch.setattr(Tabular, "read", taken_away)
    refused: list[AudoticsError] = []
    assert [report.rows_loaded for report in load_files(warehouse_url, tabular(), [bad, good], refused=refused)] == [1]
    assert [str(bad) in str(fault) for fault in refused] == [True]


def test_a_connection_that_is_lost_as_well_does_not_hide_why_a_file_is_refused(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = (write_csv(tmp_path, "ada,1400000000,x", name=name) for name in ("a.csv", "b.csv"))
    bad.write_text(bad.read_text() + "bob,1400000001,y\n")
    require_unchanged = Place.require_unchanged

    def append(progress: Progress) -> None:
        if (progress.file.name, progress.stage) == (bad.name, "reading"):
            bad.write_text(bad.read_text() + "cid,1400000002,z\n")

    def cut_and_require(place: Place) -> None:
        # By then all of the file has been written: a thread does so while the next batch is read.
        if place.file.name == bad.name:
            cut_others(warehouse_url)
        require_unchanged(place)

    monkeypatch.setattr(Place, "require_unchanged", cut_and_require)
    with pytest.raises(AudoticsError, match=r"b\.csv changed while it was being read"):
        load_files(warehouse_url, tabular(), [tmp_path], append)
    assert query(warehouse_url, "SELECT path FROM raw.ingest_files") == [(str(good),)]
