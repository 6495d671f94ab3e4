"""The landing folder: what is wrong with a file is noted, and holds up no other."""

import errno
import gzip
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loading import query, tabular, until_somebody_waits, write_csv, write_lastfm

from assets.ingest import merge_sql
from assets.ingest.files import InputFile
from assets.ingest.landing import Landing, load_landed
from assets.ingest.landing_ledger import ask_again
from assets.ingest.records import RawBatch
from assets.ingest.retry import retry_rejects
from assets.ingest.tabular import Tabular
from warehouse.engine import create_engine, exclusive
from warehouse.errors import AudoticsError
from warehouse.roles import Role

MAPPING = 'source = "{source}"\n[columns]\nuser_id = "u"\ntrack_id = "id"\nlistened_at = "{time}"\n[time]\nunit = "s"\n'
ROW = "ada,{},x"


def drop(landing: Path, source: str, time: str = "t") -> Path:
    folder = landing / "tabular" / source
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mapping.toml").write_text(MAPPING.format(source=source, time=time), encoding="utf-8")
    return folder


def faults(done: Landing, landing: Path) -> dict[str, str]:
    return {each.path.removeprefix(f"{landing}/"): str(each.fault) for each in done.faults}


def noted(url: str) -> list[tuple]:
    return query(url, "select is_set_aside, tries from raw.landed_files where fault is not null order by path")


def listens(url: str) -> int:
    return query(url, "select count(*) from raw.listens")[0][0]


def cut(path: Path) -> Path:
    whole = gzip.compress(f"u,t,id\n{ROW.format(1400009000)}\n".encode())
    path.write_bytes(whole[:-9])
    return path


def repair(path: Path) -> None:
    path.write_bytes(gzip.compress(f"u,t,id\n{ROW.format(1400009000)}\n".encode()))


def test_whatever_is_wrong_holds_up_no_other_file_and_is_noted_with_its_reason(
    warehouse_url: str, tmp_path: Path
) -> None:
    query(warehouse_url, "alter table raw.users add check (user_id <> 'eve'); select 1")
    books, coins, games = drop(tmp_path, "books"), drop(tmp_path, "coins"), drop(tmp_path, "games")
    write_csv(books, "ada,1400000000,x", name="a.csv")
    write_csv(books, *(f"ada,{1400000000000 + n},x" for n in range(20)), name="b.csv")
    write_csv(books, "ada,1400000300,x", name="c.csv")
    write_csv(coins, "eve,1400000000,x")
    cut(games / "cut.csv.gz")
    (tmp_path / "tabular" / "words").mkdir()
    write_csv(tmp_path / "tabular" / "words", "cid,1400000000,x")
    for tries in (1, 1):
        done = load_landed(warehouse_url, tmp_path)
        assert [Path(report.file).name for report in done.reports] == ["a.csv", "c.csv"]
        found = faults(done, tmp_path)
        expected = {
            "tabular/books/b.csv": "nothing of it was loaded",
            "tabular/coins/listens.csv": "PostgreSQL failed while loading",
            "tabular/games/cut.csv.gz": "is damaged",
            "tabular/words/listens.csv": "words has no mapping.toml",
        }
        assert list(found) == list(expected)
        assert all(expected[path] in fault for path, fault in found.items())
        assert noted(warehouse_url) == [(True, tries)] * 3 + [(False, tries)]
        assert listens(warehouse_url) == 2


def test_what_is_set_aside_is_tried_again_when_it_changes_or_somebody_asks(warehouse_url: str, tmp_path: Path) -> None:
    path = cut(drop(tmp_path, "shop") / "cut.csv.gz")
    load_landed(warehouse_url, tmp_path)
    load_landed(warehouse_url, tmp_path)
    assert noted(warehouse_url) == [(True, 1)]
    load_landed(warehouse_url, tmp_path, retry=True)
    assert noted(warehouse_url) == [(True, 2)]
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        assert ask_again(connection) == [str(path)]
    load_landed(warehouse_url, tmp_path)
    assert noted(warehouse_url) == [(True, 1)]
    os.utime(path, ns=(0, 1_400_000_000_000_000_000))
    load_landed(warehouse_url, tmp_path)
    assert noted(warehouse_url) == [(True, 1)]
    repair(path)
    done = load_landed(warehouse_url, tmp_path)
    assert (done.faults, [report.rows_loaded for report in done.reports]) == ([], [1])


def test_what_is_gone_is_forgotten(warehouse_url: str, tmp_path: Path) -> None:
    cut(drop(tmp_path, "shop") / "cut.csv.gz").rename(drop(tmp_path, "shop") / ".away")
    assert load_landed(warehouse_url, tmp_path).faults == []
    path = cut(tmp_path / "tabular" / "shop" / "cut.csv.gz")
    assert len(load_landed(warehouse_url, tmp_path).faults) == 1
    path.unlink()
    assert load_landed(warehouse_url, tmp_path).faults == []
    left = query(warehouse_url, "select path from raw.landed_files")
    assert left == [(str(tmp_path / "tabular" / "shop" / "mapping.toml"),)]


def test_a_corrected_mapping_lets_the_files_of_its_drop_be_tried_and_no_others(
    warehouse_url: str, tmp_path: Path
) -> None:
    shop = drop(tmp_path, "shop", time="when")
    write_csv(shop, "ada,1400000000,x")
    write_csv(drop(tmp_path, "books"), "ada,1400000300,x")
    done = load_landed(warehouse_url, tmp_path)
    assert list(faults(done, tmp_path)) == ["tabular/shop/listens.csv"]
    drop(tmp_path, "shop")
    done = load_landed(warehouse_url, tmp_path, only=[str(shop / "mapping.toml")])
    assert (done.faults, [report.file for report in done.reports]) == ([], [str(shop / "listens.csv")])


def test_a_run_comes_only_to_the_files_that_it_is_asked_for(warehouse_url: str, tmp_path: Path) -> None:
    shop = drop(tmp_path, "shop")
    first, _ = (write_csv(shop, f"ada,{1400000000 + n},x", name=f"{n}.csv") for n in range(2))
    done = load_landed(warehouse_url, tmp_path, only=[str(first)])
    assert [report.file for report in done.reports] == [str(first)]
    assert query(warehouse_url, "select path from raw.landed_files") == [(str(first),)]


def test_of_an_archive_what_can_be_loaded_is_and_the_rest_is_named(warehouse_url: str, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(drop(tmp_path, "shop") / "both.zip", "w") as archive:
        archive.writestr("good.csv", "u,t,id\nada,1400000000,x\n")
        archive.writestr("odd.csv", "u,id\nada,x\n")
    done = load_landed(warehouse_url, tmp_path)
    (fault,) = faults(done, tmp_path).values()
    assert "both.zip/odd.csv" in fault
    assert (listens(warehouse_url), noted(warehouse_url)) == (1, [(True, 1)])
    (report,) = load_landed(warehouse_url, tmp_path).reports
    assert (report.file, report.rows_loaded, report.already_loaded) == (f"{done.faults[0].path}/good.csv", 1, True)
    assert report == replace(done.reports[0], already_loaded=True, seconds=report.seconds)


def test_an_archive_is_tried_again_while_what_is_wrong_with_one_of_its_files_may_pass(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    with zipfile.ZipFile(drop(tmp_path, "shop") / "both.zip", "w") as archive:
        archive.writestr("good.csv", "u,t,id\nada,1400000000,x\n")
        archive.writestr("odd.csv", "u,id\nada,x\n")
    read = Tabular.read

    def fail(source: Tabular, file: InputFile) -> Iterator[RawBatch]:
        if file.name == "good.csv":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(source, file)

    with monkeypatch.context() as failing:
        failing.setattr(Tabular, "read", fail)
        for tries in (1, 2):
            (fault,) = faults(load_landed(warehouse_url, tmp_path), tmp_path).values()
            assert "Input/output error" in fault and "odd.csv" in fault
            assert (listens(warehouse_url), noted(warehouse_url)) == (0, [(False, tries)])
    load_landed(warehouse_url, tmp_path)
    assert (listens(warehouse_url), noted(warehouse_url)) == (1, [(True, 3)])


def test_a_file_that_somebody_is_still_writing_is_not_set_aside_for_what_it_lacks(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cut(drop(tmp_path, "shop") / "cut.csv.gz")
    read = Tabular.read

    def written_on(source: Tabular, file: InputFile) -> Iterator[RawBatch]:
        try:
            yield from read(source, file)
        finally:
            repair(path)

    with monkeypatch.context() as writing:
        writing.setattr(Tabular, "read", written_on)
        (fault,) = faults(load_landed(warehouse_url, tmp_path), tmp_path).values()
    assert "changed while it was being read; try again" in fault
    assert noted(warehouse_url) == [(False, 1)]
    assert load_landed(warehouse_url, tmp_path).faults == []


def test_a_landing_folder_that_is_not_mounted_forgets_nothing_and_says_so(warehouse_url: str, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    cut(drop(landing, "shop") / "cut.csv.gz")
    load_landed(warehouse_url, landing)
    landing.rename(tmp_path / "elsewhere")
    landing.mkdir()
    root, broken = (load_landed(warehouse_url, landing)).faults
    assert "nothing is there, where 2 files lay); mount it" in str(root.fault)
    landing.rmdir()
    (tmp_path / "elsewhere").rename(landing)
    assert load_landed(warehouse_url, landing).faults == [broken]


def test_after_a_retry_a_file_is_known_by_the_mapping_that_lies_beside_it_still(
    warehouse_url: str, tmp_path: Path
) -> None:
    path = write_csv(drop(tmp_path, "shop"), "ada,1400000000,x", "ada,2014-05-13T16:53:30Z,y")
    (loaded,) = load_landed(warehouse_url, tmp_path).reports
    corrected = tabular(time={"unit": ["s", "iso8601"]})
    assert retry_rejects(warehouse_url, 1, corrected).loaded == 1
    for mapping in ("still the old one", "the old one, elsewhere"):
        done = load_landed(warehouse_url, tmp_path)
        assert (done.faults, [report.rows_loaded for report in done.reports]) == ([], [2]), mapping
        path = path.rename(path.with_name("moved.csv"))
    formats = "select format, earlier_formats from raw.ingest_files"
    assert query(warehouse_url, formats) == [(corrected.format, [loaded.format])]


def test_of_a_file_that_is_mostly_rejected_the_valid_rows_stay_and_it_is_said(
    warehouse_url: str, tmp_path: Path
) -> None:
    write_csv(drop(tmp_path, "shop"), "ada,1400000000,x", ",1400000300,x", ",1400000600,x")
    for _ in range(2):
        (fault,) = faults(load_landed(warehouse_url, tmp_path), tmp_path).values()
        assert "2 of its 3 rows are rejected, 2 of them as empty_user; the others are loaded" in fault
    assert (listens(warehouse_url), noted(warehouse_url)) == (1, [(False, 1)])


def test_a_file_that_a_disk_fails_to_give_is_tried_by_every_run(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(drop(tmp_path, "shop"), "ada,1400000000,x")
    path.unlink()
    path.symlink_to("/proc/self/mem")
    (fault,) = faults(load_landed(warehouse_url, tmp_path), tmp_path).values()
    assert "cannot read" in fault
    assert noted(warehouse_url) == [(False, 1)]
    load_landed(warehouse_url, tmp_path)
    assert noted(warehouse_url) == [(False, 2)]


def test_of_two_runs_at_once_each_file_is_loaded_once_and_noted(warehouse_url: str, tmp_path: Path) -> None:
    shop = drop(tmp_path, "shop")
    for number in range(3):
        write_csv(shop, f"ada,{1400000000 + 300 * number},x", name=f"{number}.csv")
    cut(shop / "cut.csv.gz")
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        connection.exec_driver_sql(
            "insert into raw.landed_files (path, bytes, version, format) select 'gone ' || n, 1, '', '' from"
            " generate_series(1, 100) as n"
        )
    done: list[Landing] = []
    runs = [threading.Thread(target=lambda: done.append(load_landed(warehouse_url, tmp_path))) for _ in range(2)]
    with exclusive(warehouse_url, merge_sql.LOCK):
        for run in runs:
            run.start()
        until_somebody_waits(warehouse_url, lambda: not all(run.is_alive() for run in runs))
    for run in runs:
        run.join()
    assert [len(each.reports) for each in done] == [3, 3]
    assert sum(not report.already_loaded for each in done for report in each.reports) == 3
    assert all(len(each.faults) == 1 for each in done)
    assert query(warehouse_url, "select count(*) from raw.landed_files") == [(5,)]


def test_an_export_in_the_folder_of_its_user_is_of_that_user(warehouse_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "lastfm" / "ada"
    folder.mkdir(parents=True)
    (folder / "scrobbles.csv").write_text('uts,artist,track\n"1400000000","Deep Dish","Roads"\n', encoding="utf-8")
    assert load_landed(warehouse_url, tmp_path).faults == []
    assert query(warehouse_url, "select user_id from raw.users") == [("ada",)]


def test_profiles_that_come_later_are_read_with_their_listens(warehouse_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "lastfm-1k" / "world"
    folder.mkdir(parents=True)
    write_lastfm(folder, ("u1", "2009-05-04T23:08:57Z", "", "Deep Dish", "", "Roads"))
    load_landed(warehouse_url, tmp_path)
    profile = folder / "userid-profile.tsv"
    profile.write_text("#id\tgender\tage\tcountry\tregistered\nu1\tm\t22\tPeru\tAug 13, 2006\n", encoding="utf-8")
    load_landed(warehouse_url, tmp_path, only=[str(profile)])
    assert query(warehouse_url, "select country from raw.users") == [("Peru",)]


def test_a_warehouse_that_does_not_answer_is_the_error(tmp_path: Path) -> None:
    write_csv(drop(tmp_path, "shop"), "ada,1400000000,x")
    with pytest.raises(AudoticsError, match=r"127\.0\.0\.1:1 is not reachable"):
        load_landed("postgresql://audotics@127.0.0.1:1/audotics", tmp_path)
