"""The table that is printed after faults were planted in whole nights: which gate found each, and in which words."""

from collections.abc import Iterable, Sequence

import pytest

# What a test says of the fault that it planted, as a property of its report, which a worker sends on.
PLANTED = "planted"
_COLUMNS = ("planted", "gate", "what it said", "previous release served")
_WORDS = 100


def shortened(message: str) -> str:
    """What fits into a cell."""
    message = " ".join(message.split()).replace("|", "/")
    return message if len(message) <= _WORDS else f"{message[: _WORDS - 1]}…"


def write_planted(terminal: pytest.TerminalReporter) -> None:
    """Print a row for each fault that was planted in this session."""
    reports = [report for outcome in ("passed", "failed") for report in terminal.getreports(outcome)]
    rows = [row for report in reports if report.when == "call" for row in _rows(report.user_properties)]
    if rows:
        terminal.section("faults that were planted")
        for line in _table([_COLUMNS, *rows]):
            terminal.write_line(line)


def _rows(properties: Iterable[tuple[str, object]]) -> list[Sequence[str]]:
    return [row for name, row in properties if name == PLANTED and isinstance(row, (list, tuple))]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "-|-".join("-" * width for width in widths), *lines[1:]]
