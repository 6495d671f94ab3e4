"""Files in archives, and patterns, into PostgreSQL."""

import zipfile
from pathlib import Path

from loading import query, tabular, write_csv

from assets.ingest.load import load_files


def test_a_file_in_an_archive_is_a_file_of_its_own_and_the_same_as_the_unpacked_one(
    warehouse_url: str, tmp_path: Path
) -> None:
    paths = [write_csv(tmp_path, f"ada,140000000{number},x", name=f"{number}.csv") for number in range(2)]
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in paths:
            packed.write(path, f"My Data/{path.name}")
    reports = load_files(warehouse_url, tabular(), [archive])
    assert [(report.file, report.rows_loaded) for report in reports] == [
        (f"{archive}/My Data/{path.name}", 1) for path in paths
    ]
    known = [(f"{archive}/My Data/{path.name}", path.stat().st_size) for path in paths]
    assert query(warehouse_url, "SELECT path, bytes FROM raw.ingest_files ORDER BY file_id") == known
    again = load_files(warehouse_url, tabular(), [*paths, archive / "My Data" / "1.csv", f"{tmp_path}/?.csv"])
    assert [report.already_loaded for report in again] == [True] * 5
