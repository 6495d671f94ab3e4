"""`audotics ingest`: load listening files into the warehouse."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from orchestration.cli.blocks import publish_loaded, publish_of
from orchestration.cli.options import AsJson
from warehouse.errors import AudoticsError

if TYPE_CHECKING:
    from assets.ingest.listing import Listing
    from assets.ingest.preview import Preview
    from assets.ingest.records import LoadReport, Source

    Found = Iterable[tuple[Source, str | Listing]]


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


DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be loaded, and write nothing.")]
Rehash = Annotated[
    bool,
    typer.Option("--rehash", help="Read files that lie where they were loaded, though size and time are the same."),
]
Shared = Annotated[
    bool, typer.Option("--shared", help="Load a file for this user though the same bytes are loaded as another's.")
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
    zone: Annotated[
        str | None,
        typer.Option(help="Time zone of an export that does not say it, such as Europe/Berlin.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    rehash: Rehash = False,
    shared: Shared = False,
    as_json: AsJson = False,
) -> None:
    """Load exports of services, data sets, or any table with a mapping; `ingest PATH…` is short for it.

    Examples: `audotics ingest my_spotify_data.zip`, `audotics ingest scrobbles.csv --user ada`,
    `audotics ingest plays/ --mapping plays.toml --dry-run`
    """
    if mapping is not None:
        for name, value in (("--format", format), ("--user", user), ("--zone", zone)):
            if value is not None:
                raise AudoticsError(f"{name} has no effect beside --mapping, which says it; leave one of them out")
        _ingest(_mapped(paths, mapping), [], as_json, dry_run, rehash, shared)
        return
    refused: list[AudoticsError] = []
    found = _recognised(paths, format, user, zone, refused, quiet=as_json)
    _ingest(found, refused, as_json, dry_run, rehash, shared)


@app.command("lastfm-1k")
def lastfm_1k(paths: Paths, dry_run: DryRun = False, rehash: Rehash = False, as_json: AsJson = False) -> None:
    """Load files in the layout of the Last.fm 1K data set, profiles beside them included.

    Example: `audotics ingest lastfm-1k lastfm-dataset-1K/`
    """
    from assets.ingest.lastfm_1k import LastFm1k

    _ingest(((LastFm1k(), path) for path in paths), [], as_json, dry_run, rehash)


@app.command()
def tabular(
    paths: Paths,
    mapping: Annotated[
        Path,
        typer.Option(help="TOML file that says which column is which field; see docs/mappings.md.", show_default=False),
    ],
    dry_run: DryRun = False,
    rehash: Rehash = False,
    shared: Shared = False,
    as_json: AsJson = False,
) -> None:
    """Load CSV, TSV, JSON, Parquet or Excel files as a mapping says: `ingest PATH… --mapping` does the same.

    Example: `audotics ingest tabular sessions.parquet --mapping examples/mappings/30music.toml`
    """
    _ingest(_mapped(paths, mapping), [], as_json, dry_run, rehash, shared)


def _mapped(paths: list[str], mapping: Path) -> "Found":
    from assets.ingest.mapping import read_mapping
    from assets.ingest.tabular import Tabular

    source = Tabular(read_mapping(mapping), str(mapping))
    return ((source, path) for path in paths)


def _recognised(
    paths: list[str],
    format: str | None,
    user: str | None,
    zone: str | None,
    refused: list[AudoticsError],
    quiet: bool,
) -> "Found":
    """Say of each path what it holds; what is not recognised is added to `refused`."""
    from assets.ingest.formats.recognise import recognise_each
    from orchestration.cli.rendering import say

    for path, recognised in recognise_each(paths, format, user, zone, refused):
        if not quiet:
            say(f"{path}: {recognised.described}")
            if recognised.passed_over:
                say(f"  passed over, as they are not of it: {', '.join(recognised.passed_over)}")
        yield recognised.source, recognised.listing


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List every file loaded so far, the newest last; a file of that name is loaded as `./list`.

    Example: `audotics ingest list`
    """
    from assets.ingest.ledger import read_ledger
    from orchestration.cli.ingest_reports import print_ledger
    from orchestration.cli.rendering import print_json
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    with open_platform().transaction(Role.LOADER) as connection:
        loaded = read_ledger(connection)
    if as_json:
        print_json({"files": [each.as_json() for each in loaded]})
    else:
        print_ledger(loaded)


@app.command()
def forget(
    file_id: Annotated[
        int, typer.Argument(help="Id of the load, as `ingest list` shows it.", metavar="FILE_ID", show_default=False)
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
    from assets.blocks import users_blocking_by
    from assets.ingest.undo import undo_load
    from orchestration.cli.ingest_reports import print_undone
    from orchestration.cli.rendering import print_json
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    platform = open_platform()
    with platform.transaction(Role.LOADER) as connection:
        blocking = users_blocking_by(connection, [file_id])
        undone = undo_load(connection, file_id)
    if as_json:
        print_json(asdict(undone))
    else:
        print_undone(undone)
    # What is undone is told though Redis may fail.
    publish_of(platform, blocking)


def _ingest(
    found: "Found",
    refused: list[AudoticsError],
    as_json: bool,
    dry_run: bool,
    rehash: bool = False,
    shared: bool = False,
) -> None:
    """Load or preview what was found, path after path; what goes wrong with one holds up no other."""
    from orchestration.cli import ingest_reports
    from orchestration.cli.rendering import print_json

    if dry_run:
        previews = _preview(found, refused)
        if as_json:
            print_json({"dry_run": True, "files": [preview.as_json() for preview in previews]})
        else:
            ingest_reports.print_previews(previews)
        ingest_reports.raise_faults([each for each in previews if not each.is_refused], refused)
        return
    reports = _load(found, refused, rehash, shared)
    if as_json:
        print_json({"files": [report.as_json() for report in reports]})
    else:
        ingest_reports.print_reports(reports)
    ingest_reports.raise_faults(reports, refused)


def _preview(found: "Found", refused: list[AudoticsError]) -> "list[Preview]":
    from assets.ingest.preview import preview_files

    return [each for source, path in found for each in preview_files(source, [path], refused)]


def _load(found: "Found", refused: list[AudoticsError], rehash: bool, shared: bool) -> "list[LoadReport]":
    from assets.ingest.load import load_files
    from orchestration.cli.ingest_reports import file_progress
    from orchestration.platform import open_platform

    reports: list[LoadReport] = []
    platform = None
    for source, path in found:
        platform = platform or open_platform()
        with file_progress() as show:
            loaded = load_files(platform.warehouse_url, source, [path], show, refused, rehash=rehash, shared=shared)
        if source.rules.kind == "blocks":
            publish_loaded(platform, [report.file_id for report in loaded], refused)
        reports += loaded
    return reports
