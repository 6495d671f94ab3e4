"""Files that lie where they were loaded are known by size and time of change; whatever changed is read again."""

import os
import time
import zipfile
from pathlib import Path

import pytest
from loading import load, query, tabular, write_csv

from assets.ingest import files
from assets.ingest.files import InputFile
from assets.ingest.load import load_files, login_name
from assets.ingest.tabular import Tabular
from assets.ingest.undo import undo_load
from warehouse.engine import create_engine
from warehouse.roles import Role

LONG_AGO = time.time_ns() - 3_600_000_000_000
PLACES = "SELECT file_id, path, bytes, version FROM raw.file_places ORDER BY hashed_at"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were hashed, as they are."""
    names = list[str]()
    sha256 = files.InputFile.sha256

    def noted(file: InputFile) -> str:
        names.append(file.name)
        return sha256(file)

    monkeypatch.setattr(files.InputFile, "sha256", noted)
    return names


def _write(folder: Path, row: str, changed_at: int = LONG_AGO, name: str = "listens.csv") -> Path:
    path = write_csv(folder, row, name=name)
    os.utime(path, ns=(changed_at, changed_at))
    return path


def test_a_file_that_did_not_change_is_known_without_being_hashed_and_reported_as_it_was_loaded(
    warehouse_url: str, tmp_path: Path, hashed: list[str]
) -> None:
    path = _write(tmp_path, "ada,1400000000,x\nada,soon,x\nada,1500000000,x")
    first = load(warehouse_url, tabular(), path)
    again = load(warehouse_url, tabular(), path)
    assert hashed == ["listens.csv"]
    assert again.already_loaded
    assert again.as_json() == first.as_json() | {"already_loaded": True, "seconds": again.seconds}
    assert again.as_json()["last_listened_at"] == "2017-07-14T02:40:00+00:00"
    assert query(warehouse_url, PLACES) == [(1, str(path), path.stat().st_size, str(LONG_AGO))]
    (report,) = load_files(warehouse_url, tabular(), [path], rehash=True)
    assert (hashed, report.already_loaded) == (["listens.csv"] * 2, True)


def test_a_file_that_was_touched_is_hashed_once_more_and_then_known(
    warehouse_url: str, tmp_path: Path, hashed: list[str]
) -> None:
    path = _write(tmp_path, "ada,1400000000,x")
    load(warehouse_url, tabular(), path)
    os.utime(path, ns=(LONG_AGO + 1, LONG_AGO + 1))
    assert [load(warehouse_url, tabular(), path).already_loaded for _ in range(2)] == [True, True]
    assert len(hashed) == 2
    assert query(warehouse_url, PLACES) == [(1, str(path), path.stat().st_size, str(LONG_AGO + 1))]


def test_another_content_of_the_same_size_is_loaded_when_its_time_is_another(
    warehouse_url: str, tmp_path: Path
) -> None:
    load(warehouse_url, tabular(), _write(tmp_path, "ada,1400000000,x"))
    report = load(warehouse_url, tabular(), _write(tmp_path, "bob,1400000000,x", LONG_AGO + 1))
    assert (report.file_id, report.rows_loaded, report.already_loaded) == (2, 1, False)
    # What lies there now is what counts, and what lay there comes back.
    assert load(warehouse_url, tabular(), _write(tmp_path, "ada,1400000000,x")).file_id == 1


def test_another_content_with_the_same_time_is_loaded_when_its_size_is_another(
    warehouse_url: str, tmp_path: Path
) -> None:
    load(warehouse_url, tabular(), _write(tmp_path, "ada,1400000000,x"))
    assert load(warehouse_url, tabular(), _write(tmp_path, "robert,1400000000,x")).rows_loaded == 1


def test_a_file_that_changed_just_before_it_was_read_is_hashed_as_its_time_may_hide_another_change(
    warehouse_url: str, tmp_path: Path, hashed: list[str]
) -> None:
    # However long the load takes to come to the file.
    now = time.time_ns() + 600 * 10**9
    load(warehouse_url, tabular(), _write(tmp_path, "ada,1400000000,x", now))
    assert query(warehouse_url, "SELECT version FROM raw.file_places") == [(None,)]
    report = load(warehouse_url, tabular(), _write(tmp_path, "bob,1400000000,x", now))
    assert (report.rows_loaded, len(hashed)) == (1, 2)


def test_the_same_bytes_are_known_at_each_place_they_lie_at_until_their_load_is_undone(
    warehouse_url: str, tmp_path: Path, hashed: list[str]
) -> None:
    paths = [_write(tmp_path, "ada,1400000000,x", name=f"{number}.csv") for number in range(2)]
    for _ in range(3):
        load_files(warehouse_url, tabular(), paths)
    assert hashed == ["0.csv", "1.csv"]
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        undo_load(connection, 1)
    assert query(warehouse_url, PLACES) == []
    assert [report.already_loaded for report in load_files(warehouse_url, tabular(), paths)] == [False, True]


def test_told_to_be_of_another_user_a_file_is_another_at_a_known_place(warehouse_url: str, tmp_path: Path) -> None:
    path = _write(tmp_path, "ada,1400000000,x")
    columns = {"listened_at": "t", "track_id": "id"}
    of_ada, of_eve = (
        Tabular(tabular(columns=columns, constants={"user_id": user}).mapping, name="shop") for user in ("ada", "eve")
    )
    reports = [load_files(warehouse_url, source, [path], shared=True)[0] for source in (of_ada, of_eve, of_ada)]
    assert [report.file_id for report in reports] == [1, 2, 1]


def test_files_in_an_archive_are_known_by_size_and_time_of_the_archive(
    warehouse_url: str, tmp_path: Path, hashed: list[str]
) -> None:
    def write(*members: tuple[str, str]) -> Path:
        archive = tmp_path / "export.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            for name, row in members:
                packed.writestr(name, f"u,t,id\n{row}\n")
        os.utime(archive, ns=(LONG_AGO, LONG_AGO))
        return archive

    archive = write(("a.csv", "ada,1400000000,x"))
    assert [load(warehouse_url, tabular(), archive).already_loaded for _ in range(2)] == [False, True]
    assert len(hashed) == 1
    # The same name, size and time of the archive, whose own size is another.
    first, second = load_files(
        warehouse_url, tabular(), [write(("a.csv", "bob,1400000000,x"), ("b.csv", "cyd,1400000000,x"))]
    )
    assert [first.rows_loaded, second.rows_loaded] == [1, 1]


def test_who_loaded_a_file_is_the_login_name_or_what_the_caller_says(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), _write(tmp_path, "ada,1400000000,x"))
    other = _write(tmp_path, "bob,1400000000,x", name="other.csv")
    load_files(warehouse_url, tabular(), [other], loaded_by="run 7")
    assert query(warehouse_url, "SELECT loaded_by FROM raw.ingest_files ORDER BY file_id") == [
        (login_name(),),
        ("run 7",),
    ]
