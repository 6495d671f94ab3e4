"""How the command line shows things: tables and progress for people, JSON for programs.

The only module that touches Rich. Most of what is shown is data, such as the names that files give to tracks: it is
printed as it is, whatever brackets or colons it has, and what is painted is painted by a style.
"""

import io
import json
import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text


def plain_console(**options: Any) -> Console:
    """A console that takes text as it is: no markup, no emoji codes, no words painted for what they look like."""
    return Console(markup=False, emoji=False, highlight=False, **options)


# In a file or a pipe no line ends for the sake of a screen: what is in there is to be copied and searched.
OUT = plain_console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200)
# Progress, notes and errors go to standard error, so that standard output is only what was asked for.
ERR = plain_console(stderr=True)
# The length of a model's version, the longest name that people copy from a table.
_LONGEST_NAME = 36
# Between the columns of a table without a frame.
_GAP = 2


def say(line: str) -> None:
    """One line of an answer on standard output, broken by the terminal alone: what is copied from it is whole."""
    OUT.print(_plain(line), soft_wrap=True)


def note(line: str) -> None:
    """One line about how the answer came to be, on standard error."""
    ERR.print(_plain(line), soft_wrap=True)


def print_error(message: str) -> None:
    """Why a command failed, in one line on standard error."""
    ERR.print(Text.assemble(("error:", "bold red"), " ", _plain(message)), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201


def print_markdown(page: str) -> None:
    """A page of Markdown; whoever writes the page escapes what is data in it."""
    OUT.print(Markdown(_plain(page)))


def painted(word: str, style: str) -> Text:
    """The word in a style of Rich's, such as "bold red", as a cell of `print_table`."""
    return Text(_plain(word), style)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], highlight: str | None = None
) -> None:
    """A table; numbers to the right. The row whose first or second cell is `highlight` is bold. Without a title where
    that is "".
    """
    table = Table(title=_plain(title) or None, title_justify="left", title_style="bold", header_style="bold")
    for index, column in enumerate(columns):
        # What a row is about is not broken, as long as there is room for the rest.
        whole = index == 0 and all(len(str(row[0])) <= _LONGEST_NAME for row in rows)
        table.add_column(Text(_plain(column)), justify=_justified(rows, index), overflow="fold", no_wrap=whole)
    _fill(table, rows, highlight)


def print_lines(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], highlight: str | None = None
) -> None:
    """A table like that of `print_table`, without a frame and with a line per row: what is too long for that is cut.

    Without a line of headings where all columns are "".
    """
    OUT.print(Text(_plain(title), "bold"), no_wrap=True, overflow="ellipsis")
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_header=any(columns))
    cells = [[Text(_plain(column)), *(_cell(row[index]) for row in rows)] for index, column in enumerate(columns)]
    widths = _fitting([max(each.cell_len for each in column) for column in cells], OUT.width - _GAP * len(columns))
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        justify = _justified(rows, index)
        table.add_column(Text(_plain(column)), justify=justify, overflow="ellipsis", no_wrap=True, width=width)
    _fill(table, rows, highlight)


def _fitting(widths: list[int], room: int) -> list[int]:
    """Widths of columns that fit in the room together: the widest ones give way."""
    fitting = list(widths)
    while sum(fitting) > max(room, len(fitting)):
        fitting[fitting.index(max(fitting))] -= 1
    return fitting


def _justified(rows: Sequence[Sequence[Any]], index: int) -> Literal["left", "right"]:
    numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
    return "right" if numeric else "left"


def _fill(table: Table, rows: Sequence[Sequence[Any]], highlight: str | None) -> None:
    """Add the rows to a table and print it."""
    for row in rows:
        bold = highlight is not None and highlight in row[:2]
        table.add_row(*(_cell(value) for value in row), style="bold" if bold else None)
    OUT.print(table)


def _cell(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if value is None:
        return Text()
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}")
    return Text(f"{value:.4f}" if isinstance(value, float) else _plain(str(value)))


def _plain(text: str) -> str:
    """The text with a visible sign in place of whatever a terminal would obey, such as escape sequences."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) == "Cc" and each not in "\n\t" else each
        for each in text
    )


class _Description(ProgressColumn):
    """What a task does now: file names and the like, as they are."""

    def render(self, task: Task) -> Text:
        return Text(_plain(task.description))


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress display on standard error that disappears when done; without a terminal none, but see `log_line`."""
    columns = (SpinnerColumn(), _Description(), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with (
        _screen() as console,
        Progress(*columns, console=console, transient=True, disable=not console.is_interactive) as progress,
    ):
        yield progress


def log_line(bar: Progress, line: str) -> None:
    """Write a line in place of a progress display that is not shown, as in a file or the log of a CI job."""
    if bar.disable:
        bar.console.print(_plain(line), soft_wrap=True)


@contextmanager
def _screen() -> Iterator[Console]:
    """A console on standard error itself: Dagster captures it in a file of its own while it runs a step."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except io.UnsupportedOperation:
        # Standard error was replaced by something in memory, which nobody captures.
        yield ERR
        return
    with os.fdopen(descriptor, "w", encoding=sys.stderr.encoding, errors="backslashreplace") as screen:
        # Colours may be asked for without a terminal (FORCE_COLOR), but a display is drawn over and over.
        yield plain_console(file=screen, force_interactive=None if screen.isatty() else False)
