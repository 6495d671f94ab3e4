"""What the lake deletes."""

import errno
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
    with pytest.raises(AudoticsError, match=r"is damaged \(.*\): remove it, and materialise `candidates`"):
        read(lake)


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.999])
def test_of_a_file_that_was_cut_no_part_is_read(tmp_path: Path, kept: float) -> None:
    lake = Lake(str(tmp_path))
    lake.write_parquet(CANDIDATES, [pa.table({"a": range(start, start + 1000)}) for start in range(0, 10_000, 1000)])
    whole = (tmp_path / CANDIDATES).read_bytes()
    (tmp_path / CANDIDATES).write_bytes(whole[: int(kept * len(whole))])
    read = []
    with pytest.raises(AudoticsError, match=rf"{CANDIDATES} in the lake at .* is damaged \(.*\): remove it, and"):
        read.extend(lake.read_parquet(CANDIDATES, made_by="candidates"))
    assert not read


def test_a_file_that_lost_its_middle_is_said_to_be_damaged(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_parquet(CANDIDATES, [pa.table({"a": range(10_000)})])
    whole = (tmp_path / CANDIDATES).read_bytes()
    middle = len(whole) // 2
    (tmp_path / CANDIDATES).write_bytes(whole[: middle - 512] + bytes(1024) + whole[middle + 512 :])
    with pytest.raises(AudoticsError, match=rf"{CANDIDATES} in the lake at .* is damaged \(.*\): remove it, and"):
        list(lake.read_parquet(CANDIDATES, made_by="candidates"))


def test_a_disk_that_fails_is_not_a_file_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(str(tmp_path))
    lake.write_parquet(CANDIDATES, [pa.table({"a": [1]})])

    def fails(*arguments: object) -> None:
        raise OSError(errno.EIO, "the disk went away")

    monkeypatch.setattr("warehouse.lake.pq.ParquetFile", fails)
    with pytest.raises(OSError, match="the disk went away"):
        list(lake.read_parquet(CANDIDATES, made_by="candidates"))


def test_what_fails_while_a_file_is_read_stays_what_it_is(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_parquet(CANDIDATES, [pa.table({"a": [1]})])
    with pytest.raises(ZeroDivisionError):
        for _ in lake.read_parquet(CANDIDATES, made_by="candidates"):
            1 / 0  # noqa: B018
