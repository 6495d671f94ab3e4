"""What is said of an error of PostgreSQL while a file is loaded."""

from pathlib import Path

import adbc_driver_manager
import pytest

from assets.ingest.connection import refused_by_server
from tests.exports import write
from tests.input_files import input_file

STATEMENT = "IO: [libpq] Failed to execute query '\nINSERT INTO x\nSELECT 'shop', 1\n': "


@pytest.mark.parametrize(
    ("told", "sqlstate", "advice"),
    [
        ("ERROR: could not extend file: No space left on device", "53100", "load it again"),
        ("server closed the connection unexpectedly", None, "run `audotics doctor`"),
    ],
)
def test_what_the_server_says_is_told_without_the_statement(
    tmp_path: Path, told: str, sqlstate: str | None, advice: str
) -> None:
    status = adbc_driver_manager.AdbcStatusCode.IO
    error = adbc_driver_manager.OperationalError(STATEMENT + told, status_code=status, sqlstate=sqlstate)
    message = str(refused_by_server(input_file(write(tmp_path / "listens.csv", "")), error))
    assert told in message and advice in message and "listens.csv" in message
    assert "INSERT" not in message
