"""DuckDB must see nothing but the tables it is given."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from assets.ingest.duck import connect_offline


def test_files_and_extensions_are_out_of_reach(tmp_path: Path) -> None:
    path = tmp_path / "listens.csv"
    path.write_text("u,t\nada,1\n")
    connection = connect_offline()
    for statement in (
        f"SELECT * FROM read_csv('{path}')",
        f"SELECT * FROM '{path}'",
        f"COPY (SELECT 1) TO '{path}'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(statement)
    assert path.read_text() == "u,t\nada,1\n"


def test_json_regular_expressions_and_time_zones_work_without_extensions() -> None:
    connection = connect_offline()
    connection.register("given", pa.table({"text": ['{"t": "2009-05-04 23:08:57"}']}))
    connection.execute("SET TimeZone = 'Europe/Berlin'")
    found = connection.sql("SELECT epoch_us((text ->> '$.t')::TIMESTAMPTZ) // 1000000 FROM given").fetchall()
    assert found == [(1241471337,)]
