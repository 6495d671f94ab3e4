"""`audotics ingest`: load listening files into the warehouse."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from orchestration.cli.options import AsJson
from warehouse.errors import AudoticsError
from warehouse.wording import counted

if TYPE_CHECKING:
    from assets.ingest.preview import Preview
    from assets.ingest.records import LoadReport, Progress, Source


class _Group(TyperGroup):
    """`audotics ingest PATH…` is `audotics ingest files PATH…`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["files", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    help="Load listening files into the warehouse: `audotics ingest PATH…` recognises what it is given. The same bytes"
    " twice change nothing.\n\nExample: `audotics ingest my_spotify_data.zip --dry-run`; `audotics ingest files --help`"
    " explains the options.",
    no_args_is_help=True,
)

Paths = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, patterns, archives or addresses such as s3://bucket/exports.",
        metavar="PATH...",
        show_default=False,
    ),
]


@app.command()
def files(
    paths: Paths,
    format: Annotated[str | None, typer.Option(help="The format, where it cannot be told.", show_default=False)] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="TOML file that says which column is which field, for any other format.", show_default=False),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(help="Whose listens; by default whom the rows name, or the folder's name.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be loaded, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Load exports of services, data sets, or any table with a mapping; `ingest PATH…` is short for it.

    Examples: `audotics ingest my_spotify_data.zip`, `audotics ingest scrobbles.csv --user ada`,
    `audotics ingest plays/ --mapping plays.toml --dry-run`
    """
    from assets.ingest.formats.recognise import recognise
    from assets.ingest.mapping import read_mapping
    from assets.ingest.tabular import Tabular
    from orchestration.cli.rendering import say

    if mapping is not None:
        for name, value in (("--format", format), ("--user", user)):
            if value is not None:
                raise AudoticsError(f"{name} has no effect beside --mapping, which says it; leave one of them out")
        _ingest([(Tabular(read_mapping(mapping), str(mapping)), paths)], as_json, dry_run)
        return
    found = [(path, recognise(path, format, user)) for path in paths]
    if not as_json:
        for path, recognised in found:
            say(f"{path}: {recognised.described}")
            if recognised.passed_over:
                say(f"  passed over, as they hold no listens: {', '.join(recognised.passed_over)}")
    _ingest([(recognised.source, [path]) for path, recognised in found], as_json, dry_run)


@app.command("lastfm-1k")
def lastfm_1k(paths: Paths, as_json: AsJson = False) -> None:
    """Load files in the layout of the Last.fm 1K data set, profiles beside them included.

    Example: `audotics ingest lastfm-1k lastfm-dataset-1K/`
    """
    from assets.ingest.lastfm_1k import LastFm1k

    _ingest([(LastFm1k(), paths)], as_json)


@app.command()
def tabular(
    paths: Paths,
    mapping: Annotated[
        Path,
        typer.Option(help="TOML file that says which column is which field; see docs/mappings.md.", show_default=False),
    ],
    as_json: AsJson = False,
) -> None:
    """Load CSV, TSV, JSON lines or Parquet files as a mapping says.

    Example: `audotics ingest tabular sessions.parquet --mapping examples/mappings/30music.toml`
    """
    from assets.ingest.mapping import read_mapping
    from assets.ingest.tabular import Tabular

    _ingest([(Tabular(read_mapping(mapping), str(mapping)), paths)], as_json)


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


def _ingest(sources: "list[tuple[Source, list[str]]]", as_json: bool, dry_run: bool = False) -> None:
    from assets.ingest.preview import preview_files
    from orchestration.cli.rendering import print_json

    refused: list[AudoticsError] = []
    if dry_run:
        previews = [each for source, paths in sources for each in preview_files(source, paths, refused)]
        if as_json:
            print_json({"dry_run": True, "files": [preview.as_json() for preview in previews]})
        else:
            print_previews(previews)
        raise_faults([], refused)
        return
    reports = _load(sources, refused)
    if as_json:
        print_json({"files": [report.as_json() for report in reports]})
    else:
        print_reports(reports)
    raise_faults(reports, refused)


def _load(sources: "list[tuple[Source, list[str]]]", refused: list[AudoticsError]) -> "list[LoadReport]":
    from assets.ingest.load import load_files
    from orchestration.cli.rendering import log_line, progress_bar
    from orchestration.platform import open_platform

    platform = open_platform()
    with progress_bar() as bar:
        task = bar.add_task("loading", total=1.0)

        def show(progress: "Progress") -> None:
            description = f"{progress.stage} {progress.file.name}: {counted(progress.rows_read, 'row')}"
            bar.update(task, description=description, completed=progress.done)
            if progress.done == 1.0:
                log_line(bar, description)

        loaded = (load_files(platform.warehouse_url, source, paths, show, refused) for source, paths in sources)
        return [report for reports in loaded for report in reports]


def raise_faults(reports: "list[LoadReport]", refused: list[AudoticsError]) -> None:
    """Raise what went wrong with single files, when the others are loaded.

    Raises:
        AudoticsError: files were refused, or most rows of one were rejected.
    """
    faults = [str(error) for error in refused]
    for report in reports:
        if 2 * report.rows_rejected > report.rows_read:
            (reason, count), *_ = report.rejected_by_reason.items()
            faults.append(
                f"{report.file}: {report.rows_rejected:,} of its {report.rows_read:,} rows are rejected, {count:,} of"
                f" them as {reason}; the others are loaded. `audotics ingest forget {report.file_id}` undoes the load"
            )
    if len(faults) == 1:
        raise AudoticsError(faults[0])
    if faults:
        raise AudoticsError("; ".join(f"({number}) {fault}" for number, fault in enumerate(faults, start=1)))


def print_previews(previews: "list[Preview]") -> None:
    """What each file would bring, its first listens and its first rejected rows."""
    from orchestration.cli.rendering import print_table, say

    counts = [(each.file, each.rows_read, each.listens, each.rows_rejected, each.rows_left_out) for each in previews]
    print_table("nothing is loaded: this is a dry run", ("file", "read", "listens", "rejected", "left out"), counts)
    for each in previews:
        rows = [tuple(str(value) if value is not None else "" for value in row.values()) for row in each.first_listens]
        if rows:
            print_table(f"first listens of {each.file}", tuple(each.first_listens[0]), rows)
        for row in each.first_rejects:
            say(f"{each.file}, line {row['line']}: {row['reason']} {row['fields'] or ''}")


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
