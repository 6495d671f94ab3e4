"""Taking a load back: what goes, what stays, and what must be loaded again."""

import threading
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from loading import load, query, state_of, tabular, write_csv
from pipeline_process import Pipeline

from assets.ingest.forget import Forgotten, forget_file
from assets.ingest.merge_sql import LOCK
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.roles import Role


def forget(url: str, file_id: int) -> Forgotten:
    with create_engine(url, Role.LOADER).begin() as connection:
        return forget_file(connection, file_id)


def listens(url: str) -> list[tuple[Any, ...]]:
    return query(url, "SELECT user_key, track_key, listened_at FROM raw.listens ORDER BY 1, 2, 3")


def test_the_rows_of_a_forgotten_file_go_and_nothing_else(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x", ",1400000000,x", name="a.csv"))
    before = state_of(warehouse_url)
    other = write_csv(tmp_path, "ada,1400000001,x", "ada,1400000002,x", ",1400000000,y", "bob", name="b.csv")
    load(warehouse_url, tabular(), other)
    forgotten = forget(warehouse_url, 2)
    assert (forgotten.listens, forgotten.rejected, forgotten.load_again) == (2, 2, ())
    assert forgotten.file is not None
    assert forgotten.file.path == str(other)
    assert state_of(warehouse_url) == before


def test_the_days_of_a_forgotten_file_are_rebuilt(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x", "ada,1400090000,x"))
    days = "SELECT listened_on FROM raw.listen_days WHERE version > 1 ORDER BY 1"
    assert query(warehouse_url, days) == []
    forget(warehouse_url, 1)
    assert len(query(warehouse_url, days)) == 2


def test_files_that_were_loaded_after_it_and_have_rows_in_common_can_be_loaded_again(
    warehouse_url: str, tmp_path: Path
) -> None:
    wrong = write_csv(tmp_path, "ada,1400000000,x", "ada,1400000001,wrong", name="wrong.csv")
    overlapping = write_csv(tmp_path, "ada,1400000000,x", "ada,1400000002,y", ",1,", name="overlapping.csv")
    apart = write_csv(tmp_path, "ada,1400000003,z", name="apart.csv")
    for path in (wrong, overlapping, apart):
        load(warehouse_url, tabular(), path)
    forgotten = forget(warehouse_url, 1)
    assert [(each.file_id, each.path) for each in forgotten.load_again] == [(2, str(overlapping))]
    assert len(listens(warehouse_url)) == 2
    again = load(warehouse_url, tabular(), overlapping)
    assert not again.already_loaded
    assert (again.rows_loaded, again.rows_duplicate, again.rows_rejected) == (1, 1, 1)
    assert load(warehouse_url, tabular(), apart).already_loaded
    assert query(warehouse_url, "SELECT count(*) FROM raw.rejected_listens") == [(1,)]
    times = query(warehouse_url, "SELECT extract(epoch FROM listened_at)::bigint FROM raw.listens ORDER BY 1")
    assert times == [(1400000000,), (1400000002,), (1400000003,)]


def test_an_id_is_never_given_twice(warehouse_url: str, tmp_path: Path) -> None:
    paths = [write_csv(tmp_path, f"ada,140000000{number},x", name=f"{number}.csv") for number in range(4)]
    ids = "SELECT file_id FROM raw.ingest_files ORDER BY 1"
    for path in paths[:2]:
        load(warehouse_url, tabular(), path)
    forget(warehouse_url, 2)
    load(warehouse_url, tabular(), paths[2])
    assert query(warehouse_url, ids) == [(1,), (3,)]
    forget(warehouse_url, 1)
    forget(warehouse_url, 3)
    load(warehouse_url, tabular(), paths[3])
    assert query(warehouse_url, ids) == [(4,)]


def test_what_a_file_had_loaded_before_it_went_off_the_record_can_be_forgotten_too(
    warehouse_url: str, tmp_path: Path
) -> None:
    for name, rows in {"a": ("ada,1400000000,x",), "b": ("ada,1400000000,x", "ada,1400000001,x")}.items():
        load(warehouse_url, tabular(), write_csv(tmp_path, *rows, name=f"{name}.csv"))
    forget(warehouse_url, 1)
    forgotten = forget(warehouse_url, 2)
    assert (forgotten.file, forgotten.listens) == (None, 1)
    assert listens(warehouse_url) == []


def test_an_unknown_id_is_refused_and_changes_nothing(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x"))
    before = state_of(warehouse_url)
    with pytest.raises(AudoticsError, match="no load with the file_id 2"):
        forget(warehouse_url, 2)
    assert state_of(warehouse_url) == before


def test_it_waits_for_a_load_that_is_merging(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x"))
    merging = psycopg2.connect(warehouse_url)
    try:
        with merging.cursor() as cursor:
            cursor.execute(LOCK.statement())
            thread = threading.Thread(target=forget, args=(warehouse_url, 1))
            thread.start()
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while query(warehouse_url, waiting) == [(0,)]:
                assert thread.is_alive()
            assert len(listens(warehouse_url)) == 1
            merging.rollback()
        thread.join()
    finally:
        merging.close()
    assert listens(warehouse_url) == []


def test_the_command_says_what_went_and_what_to_load_again(warehouse_url: str, redis_url: str, tmp_path: Path) -> None:
    made = Pipeline(warehouse_url, redis_url, tmp_path / "home")
    for name in ("a", "b"):
        load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x", f"{name},1,x", name=f"{name}.csv"))
    done = made.run("ingest", "forget", "1")
    assert done.returncode == 0, done.stderr
    assert "1 listen, 1 rejected row" in " ".join(done.stdout.split())
    assert "load these again" in done.stdout
    assert "b.csv" in done.stdout
    load(warehouse_url, tabular(), tmp_path / "b.csv")
    assert made.json("ingest", "forget", "3") == {
        "file_id": 3,
        "file": {"file_id": 3, "path": str(tmp_path / "b.csv"), "format": tabular().format},
        "listens": 1,
        "rejected": 1,
        "load_again": [],
    }
