"""Rejected rows go when they are old enough; what is on record of them stays, and adds up."""

from pathlib import Path

import psycopg2
import pytest
from loading import load, query, tabular, write_csv

from assets.ingest.rejected import read_rejected, rejected_rows
from quality.suites.raw import raw_listens
from quality.validate import validate
from warehouse.engine import create_engine
from warehouse.roles import Role

REJECTED = "SELECT file_id, line FROM raw.rejected_listens ORDER BY 1, 2"


def _age(url: str, file_id: int, days: int) -> None:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE raw.ingest_files SET finished_at = now() - interval '{days} days' WHERE file_id = {file_id}"
        )
    connection.close()


def test_rows_older_than_the_setting_go_with_the_next_load_and_their_counts_stay(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_REJECTS_DAYS", "30")
    path = write_csv(tmp_path, "ada,1400000000,x", "ada,soon,x", ",1400000000,x")
    first = load(warehouse_url, tabular(), path)
    load(warehouse_url, tabular(), write_csv(tmp_path, "bob,1400000000,x", "bob,soon,x", name="b.csv"))
    _age(warehouse_url, 1, 31)
    _age(warehouse_url, 2, 29)
    load(warehouse_url, tabular(), write_csv(tmp_path, "cyd,1400000000,x", name="c.csv"))
    assert query(warehouse_url, REJECTED) == [(2, 3)]
    assert validate(warehouse_url, raw_listens(), Role.TRANSFORMER).passed
    assert load(warehouse_url, tabular(), path).rejected_by_reason == first.rejected_by_reason
    with create_engine(warehouse_url, Role.LOADER).begin() as connection:
        of_first, of_second = read_rejected(connection)
        assert (of_first.reasons, of_second.reasons) == ({"bad_timestamp": 1, "empty_user": 1}, {"bad_timestamp": 1})
        assert of_first.expired_at is not None and of_second.expired_at is None
        assert list(rejected_rows(connection, 1)) == []
        assert [row["fields"]["user_id"] for row in rejected_rows(connection, reason="bad_timestamp")] == ["bob"]


def test_with_no_days_nothing_of_rejected_rows_outlives_the_load(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDOTICS_REJECTS_DAYS", "0")
    report = load(warehouse_url, tabular(), write_csv(tmp_path, "ada,1400000000,x", "ada,soon,x"))
    assert report.rejected_by_reason == {"bad_timestamp": 1}
    assert query(warehouse_url, REJECTED) == []
    assert query(warehouse_url, "SELECT rows_rejected, rejected FROM raw.ingest_files") == [(1, {"bad_timestamp": 1})]
