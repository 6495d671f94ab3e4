"""What `audotics ingest` tells of loads: those just made, those that would be, and those on record."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from orchestration.cli.rendering import log_line, print_table, progress_bar, say
from warehouse.errors import AudoticsError
from warehouse.wording import counted

if TYPE_CHECKING:
    from assets.ingest.ledger import LoadedFile
    from assets.ingest.preview import Preview
    from assets.ingest.records import LoadReport, Progress, ProgressCallback
    from assets.ingest.undo import UndoneLoad


def raise_faults(reports: "Sequence[LoadReport | Preview]", refused: Sequence[AudoticsError]) -> None:
    """Raise what went wrong with single files, when the others are loaded or shown.

    Raises:
        AudoticsError: files were refused, or most rows of one were rejected.
    """
    from assets.ingest.refusal import mostly_rejected

    faults = [str(error) for error in refused] + [told for each in reports if (told := mostly_rejected(each))]
    if len(faults) == 1:
        raise AudoticsError(faults[0])
    if faults:
        raise AudoticsError("; ".join(f"({number}) {fault}" for number, fault in enumerate(faults, start=1)))


def print_previews(previews: "Sequence[Preview]") -> None:
    """What each file would bring, the first of it and its first rejected rows."""
    from assets.ingest.records import ABOUT_KNOWN

    counts = [(each.file, each.rows_read, each.listens, each.rows_rejected, each.rows_left_out) for each in previews]
    if counts:
        print_table("nothing is loaded: this is a dry run", ("file", "read", "valid", "rejected", "left out"), counts)
    for each in previews:
        if each.rejected_by_reason:
            say(f"rejected of {each.file}: {_counts(each.rejected_by_reason)}")
        if each.left_out_by_rule:
            say(f"left out of {each.file}: {_counts(each.left_out_by_rule)}")
        if each.kind in ABOUT_KNOWN:
            say(f"whether the warehouse knows what {each.file} is about only a load finds out")
        rows = [tuple(str(value) if value is not None else "" for value in row.values()) for row in each.first_listens]
        if rows:
            what = "entries" if each.kind == "catalogue" else each.kind
            print_table(f"first {what} of {each.file}", tuple(each.first_listens[0]), rows)
        for row in each.first_rejects:
            say(f"{each.file}, line {row['line']}: {row['reason']} {row['fields'] or ''}")


def print_reports(reports: "Sequence[LoadReport]") -> None:
    """One row per file, and why rows were rejected."""
    rows = [
        (
            _name(report.file),
            report.rows_read,
            report.rows_loaded,
            report.rows_rejected,
            report.rows_duplicate,
            report.rows_left_out,
            "already loaded" if report.already_loaded else f"{report.seconds:.1f} s",
        )
        for report in reports
    ]
    if rows:
        print_table("ingested", ("file", "read", "loaded", "rejected", "duplicate", "left out", ""), rows)
    for report in reports:
        if report.rejected_by_reason:
            shown_by = f"`audotics rejects list --file {report.file_id}` shows them"
            say(f"rejected of {_name(report.file)}: {_counts(report.rejected_by_reason)} ({shown_by})")
        if report.left_out_by_rule:
            say(f"left out of {_name(report.file)}: {_counts(report.left_out_by_rule)}")
        for column, count in report.nulled.items():
            say(f"{_name(report.file)}: {count:,} unusable values of {column} set to null")


def print_ledger(files: "Sequence[LoadedFile]") -> None:
    """One row per load, the newest last; what is on record beside that, --json has."""
    if not files:
        say("nothing is loaded yet")
        return
    rows = [
        (
            each.file_id,
            f"{_name(each.file)}\n{each.format}",
            f"{each.rows_loaded:,}\nof {each.rows_read:,}",
            "\n".join(_not_loaded(each)),
            "\n".join(f"{moment:%Y-%m-%d}" for moment in (each.first_listened_at, each.last_listened_at) if moment),
            f"{each.finished_at:%Y-%m-%d}\n{each.finished_at:%H:%M}",
        )
        for each in files
    ]
    print_table("loaded files", ("id", "file, format", "loaded", "not loaded", "listens from, to", "on (UTC)"), rows)


def print_undone(undone: "UndoneLoad") -> None:
    """What an undone load took along, and what it left."""
    say(f"undid the load of {undone.path} (file_id {undone.file_id}); gone:")
    say(f"  {counted(undone.listens - undone.listens_kept, 'listen')}, {counted(undone.rejected, 'rejected row')}")
    named = (counted(undone.users, "user"), counted(undone.artists, "artist"), counted(undone.tracks, "track"))
    say(f"  {', '.join(named)} that no other file names")
    if undone.blocks:
        say(f"  {counted(undone.blocks, 'block')} that nobody has asked for here and no other file states")
    if undone.listens_kept:
        say(f"  not gone: {counted(undone.listens_kept, 'listen')} that other files have as well")


def _not_loaded(file: "LoadedFile") -> list[str]:
    counts = {"rejected": file.rows_rejected, "duplicate": file.rows_duplicate, "left out": file.rows_left_out}
    return [f"{count:,} {what}" for what, count in counts.items() if count]


def _counts(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in rows.items())


def _name(file: str) -> str:
    return PurePosixPath(file).name


@contextmanager
def file_progress() -> "Iterator[ProgressCallback]":
    """A progress bar over the files of a path; where there is no terminal to show it, a line per file and stage."""
    logged = ""
    with progress_bar() as bar:
        task = bar.add_task("loading", total=1.0)

        def show(progress: "Progress") -> None:
            nonlocal logged
            description = f"{progress.stage} {progress.file.name}: {counted(progress.rows_read, 'row')}"
            bar.update(task, description=description, completed=progress.done)
            # The last rows may come in several batches.
            if progress.done == 1.0 and description != logged:
                logged = description
                log_line(bar, description)

        yield show
