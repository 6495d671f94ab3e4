"""What the lake deletes."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from warehouse.errors import AudoticsError
from warehouse.lake import KEPT_DAYS, Lake


def test_files_expire_some_days_after_they_were_written(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for path in ("candidates/as_of=2026-01-01/for_you.parquet", "candidates/as_of=2026-01-02/for_you.parquet"):
        lake.write_text(path, "x")
    lake.write_text("models/old.txt", "x")
    old = time.time() - (KEPT_DAYS * 86_400 + 60)
    for path in ("candidates/as_of=2026-01-01/for_you.parquet", "models/old.txt"):
        os.utime(tmp_path / path, (old, old))
    assert lake.expire("candidates") == ["candidates/as_of=2026-01-01/for_you.parquet"]
    assert lake.names("candidates/as_of=2026-01-02") == ["for_you.parquet"]
    assert lake.names("models") == ["old.txt"]
    assert lake.expire("nothing") == []


CANDIDATES = "candidates/as_of=2026-01-01/for_you.parquet"
READS: dict[str, Callable[[Lake], Any]] = {
    "text": lambda lake: lake.read_text(CANDIDATES, made_by="candidates"),
    "parquet": lambda lake: list(lake.read_parquet(CANDIDATES, made_by="candidates")),
    "columns": lambda lake: next(lake.read_parquet(CANDIDATES, made_by="candidates", columns=["a"])),
}


def test_every_read_of_the_lake_is_among_these() -> None:
    assert {name for name in vars(Lake) if name.startswith("read_")} == {"read_text", "read_parquet"}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_file_that_is_gone_is_said_to_be_and_how_it_comes_back(tmp_path: Path, read: Callable[[Lake], Any]) -> None:
    with pytest.raises(AudoticsError) as raised:
        read(Lake(str(tmp_path)))
    assert f"{CANDIDATES} is not in the lake at {tmp_path}" in str(raised.value)
    assert "materialise `candidates` for the same date again" in str(raised.value)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_file_that_is_damaged_is_said_to_be_and_how_it_comes_back(
    tmp_path: Path, read: Callable[[Lake], Any]
) -> None:
    lake = Lake(str(tmp_path))
    lake.write_parquet(CANDIDATES, [pa.table({"a": [1]})])
    whole = (tmp_path / CANDIDATES).read_bytes()
    (tmp_path / CANDIDATES).write_bytes(b"\xff" + whole[1:-6])
    with pytest.raises(AudoticsError, match=r"is damaged \(.*\): materialise `candidates`"):
        read(lake)


def test_what_fails_while_a_file_is_read_stays_what_it_is(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_parquet(CANDIDATES, [pa.table({"a": [1]})])
    with pytest.raises(ZeroDivisionError):
        for _ in lake.read_parquet(CANDIDATES, made_by="candidates"):
            1 / 0  # noqa: B018
