"""`audotics ingest`: load listening files into the warehouse."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.options import AsJson
from warehouse.wording import counted

if TYPE_CHECKING:
    from assets.ingest.records import LoadReport, Progress, Source

app = typer.Typer(
    help="Load listening files into the warehouse. The same bytes twice change nothing.", no_args_is_help=True
)

Paths = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, patterns, archives or addresses such as s3://bucket/exports.",
        metavar="PATH...",
        show_default=False,
    ),
]


@app.command("lastfm-1k")
def lastfm_1k(paths: Paths, as_json: AsJson = False) -> None:
    """Load files in the layout of the Last.fm 1K data set, profiles beside them included.

    Example: `audotics ingest lastfm-1k lastfm-dataset-1K/`
    """
    from assets.ingest.lastfm_1k import LastFm1k

    _ingest(LastFm1k(), paths, as_json)


@app.command()
def tabular(
    paths: Paths,
    mapping: Annotated[
        Path,
        typer.Option(
            help="TOML file that says which column is which field; see examples/mappings.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Load CSV, TSV, JSON lines or Parquet files as a mapping says.

    Example: `audotics ingest tabular sessions.parquet --mapping examples/mappings/30music.toml`
    """
    from assets.ingest.mapping import read_mapping
    from assets.ingest.tabular import Tabular

    _ingest(Tabular(read_mapping(mapping), str(mapping)), paths, as_json)


@app.command()
def forget(
    file_id: Annotated[
        int, typer.Argument(help="Id of the load, as in raw.ingest_files.", metavar="FILE_ID", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Undo a load: the raw tables are then as if the file had never been loaded.

    What other files say as well stays: their listens, and the users, tracks and artists that they name, with the
    titles, names and profiles that they give. The next run rebuilds what follows from it; lists and releases made
    before stay as they are until then. A file that still lies in the landing folder is loaded again by the next run,
    unless you move it away.

    Example: `audotics ingest forget 7`
    """
    from assets.ingest.undo import undo_load
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    platform = open_platform()
    with platform.transaction(Role.LOADER) as connection:
        undone = undo_load(connection, file_id)
    if as_json:
        print_json(asdict(undone))
        return
    say(f"undid the load of {undone.path} (file_id {file_id}); gone:")
    say(f"  {counted(undone.listens - undone.listens_kept, 'listen')}, {counted(undone.rejected, 'rejected row')}")
    named = (counted(undone.users, "user"), counted(undone.artists, "artist"), counted(undone.tracks, "track"))
    say(f"  {', '.join(named)} that no other file names")
    if undone.listens_kept:
        say(f"  not gone: {counted(undone.listens_kept, 'listen')} that other files have as well")


def _ingest(source: "Source", paths: list[str], as_json: bool) -> None:
    from assets.ingest.load import load_files
    from orchestration.cli.rendering import log_line, print_json, progress_bar
    from orchestration.platform import open_platform

    platform = open_platform()
    with progress_bar() as bar:
        task = bar.add_task("loading", total=1.0)

        def show(progress: "Progress") -> None:
            description = f"{progress.stage} {progress.file.name}: {counted(progress.rows_read, 'row')}"
            bar.update(task, description=description, completed=progress.done)
            if progress.done == 1.0:
                log_line(bar, description)

        reports = load_files(platform.warehouse_url, source, paths, show)
    if as_json:
        print_json([asdict(report) for report in reports])
    else:
        print_reports(reports)


def print_reports(reports: "list[LoadReport]") -> None:
    """One row per file, and why rows were rejected."""
    from orchestration.cli.rendering import print_table, say

    rows = [
        (
            Path(report.file).name,
            report.rows_read,
            report.rows_loaded,
            report.rows_rejected,
            report.rows_duplicate,
            report.rows_left_out,
            "already loaded" if report.already_loaded else f"{report.seconds:.1f} s",
        )
        for report in reports
    ]
    print_table("ingested", ("file", "read", "loaded", "rejected", "duplicate", "left out", ""), rows)
    for report in reports:
        notes = [f"{count:,} {reason}" for reason, count in report.rejected_by_reason.items()]
        if notes:
            say(f"rejected of {Path(report.file).name}: {', '.join(notes)} (see raw.rejected_listens)")
        if report.left_out_by_rule:
            left_out = ", ".join(f"{count:,} {rule}" for rule, count in report.left_out_by_rule.items())
            say(f"left out of {Path(report.file).name}: {left_out}")
        for column, count in report.nulled.items():
            say(f"{Path(report.file).name}: {count:,} unusable values of {column} set to null")
