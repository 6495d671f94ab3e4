"""How many threads work, and ranges of rows, a thread each."""

import os
from pathlib import Path

import pytest

from assets.staleness import code_digest
from assets.threads import in_parts, thread_count
from tests.repository import ROOT
from warehouse.errors import AudoticsError


def test_there_are_as_many_threads_as_the_settings_say_else_one_per_core_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert thread_count() == 1, "as tests/conftest.py says, so that workers do not share the cores any further"
    monkeypatch.setenv("AUDOTICS_THREADS", "5")
    assert thread_count() == 5
    monkeypatch.setenv("AUDOTICS_THREADS", "0")
    with pytest.raises(AudoticsError, match="AUDOTICS_THREADS"):
        thread_count()
    monkeypatch.delenv("AUDOTICS_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 3}, raising=False)
    assert thread_count() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert thread_count() == 8


def test_another_setting_does_not_change_the_code_of_what_reads_the_settings(tmp_path: Path) -> None:
    for module in ("assets/threads.py", "warehouse/settings.py"):
        (tmp_path / module).parent.mkdir()
        (tmp_path / module).write_text((ROOT / module).read_text("utf-8"), "utf-8")
    before = code_digest("assets.threads", root=tmp_path)
    with (tmp_path / "warehouse" / "settings.py").open("a", encoding="utf-8") as settings:
        settings.write("ANOTHER = 1\n")
    assert code_digest("assets.threads", root=tmp_path) == before


@pytest.mark.parametrize(
    ("rows", "threads", "least", "sizes"),
    [(10, 2, 1, [5, 5]), (10, 3, 4, [5, 5]), (7, 2, 4, [7]), (8, 2, 4, [4, 4]), (1, 4, 1, [1]), (0, 2, 1, [0])],
)
def test_ranges_are_all_rows_in_order_and_none_is_too_short(
    rows: int, threads: int, least: int, sizes: list[int]
) -> None:
    ranges: list[slice] = []
    in_parts(ranges.append, rows, threads, least)
    ranges.sort(key=lambda each: each.start)
    assert [each.stop - each.start for each in ranges] == sizes
    assert [row for each in ranges for row in range(each.start, each.stop)] == list(range(rows))


def test_an_error_of_any_range_is_raised() -> None:
    def fail_on_the_last(rows: slice) -> None:
        if rows.stop == 4:
            raise ValueError("row 3")

    with pytest.raises(ValueError, match="row 3"):
        in_parts(fail_on_the_last, rows=4, threads=2)
