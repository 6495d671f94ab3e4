"""`audotics rejects`: rows that could not become listens."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.blocks import publish_of
from orchestration.cli.options import AsJson
from warehouse.wording import counted

if TYPE_CHECKING:
    from assets.ingest.rejected import RejectedOfFile
    from assets.ingest.retry import RetryReport

app = typer.Typer(help="Rows of loaded files that could not become listens, and why.", no_args_is_help=True)

_ROWS_SHOWN = 20

File = Annotated[
    int | None, typer.Option("--file", help="Of this load only, by its id in `ingest list`.", metavar="FILE_ID")
]
Reason = Annotated[str | None, typer.Option(help="For this reason only.")]


@app.command("list")
def list_(
    file: File = None,
    reason: Reason = None,
    rows: Annotated[int, typer.Option(help="How many rows of the file to show.", min=0)] = _ROWS_SHOWN,
    as_json: AsJson = False,
) -> None:
    """Count rejected rows by file and reason; with --file, show the first of them with their mapped fields.

    Example: `audotics rejects list --file 7 --reason bad_timestamp`
    """
    from assets.ingest.rejected import read_rejected, rejected_rows
    from orchestration.cli.rendering import print_json
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    with open_platform().transaction(Role.LOADER) as connection:
        found = read_rejected(connection, file, reason)
        first = list(rejected_rows(connection, file, reason, rows)) if file is not None and rows else []
    if as_json:
        shown = {} if file is None else {"rows": [_without_file(row) for row in first]}
        print_json({"files": [{**_as_json(each), **shown} for each in found]})
    else:
        _print(found, first)


def _as_json(found: "RejectedOfFile") -> dict[str, Any]:
    return {
        "file_id": found.file_id,
        "file": found.path,
        "rows_rejected": sum(found.reasons.values()),
        "reasons": found.reasons,
        "expired_at": found.expired_at and found.expired_at.isoformat(),
    }


def _without_file(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("file_id", "path")}


def _print(found: "list[RejectedOfFile]", first: list[dict[str, Any]]) -> None:
    from orchestration.cli.rendering import print_table, say

    if not found:
        say("no rows are rejected")
        return
    counts = [
        (each.file_id, Path(each.path).name, reason, rows) for each in found for reason, rows in each.reasons.items()
    ]
    print_table("rejected rows", ("id", "file", "reason", "rows"), counts)
    for row in first:
        fields = json.dumps(row["fields"], ensure_ascii=False) if row["fields"] else "(not split into fields)"
        say(f"line {row['line']}: {row['reason']} {fields}")
    for each in found:
        if each.expired_at:
            say(f"{each.file_id}: the rows themselves expired on {each.expired_at:%Y-%m-%d} (AUDOTICS_REJECTS_DAYS)")


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The file: .csv or .jsonl.", show_default=False)],
    file: File = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Write all rejected rows to a file, with file, line, reason and the mapped fields.

    Example: `audotics rejects export --file 7 --out rejected.csv`
    """
    from assets.ingest.rejects_export import export_rejects
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    with open_platform().transaction(Role.LOADER) as connection:
        written = export_rejects(connection, out, file, reason)
    if as_json:
        print_json({"out": str(out), "rows": written})
    else:
        say(f"wrote {counted(written, 'rejected row')} to {out}")


@app.command()
def retry(
    file: Annotated[int, typer.Option("--file", help="The load, by its id in `ingest list`.", metavar="FILE_ID")],
    mapping: Annotated[
        Path | None, typer.Option(help="The corrected mapping, of a file that was loaded by one.", show_default=False)
    ] = None,
    path: Annotated[
        str | None, typer.Option(help="Where the file lies now, if not where it lay.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read the rejected rows of a file again, under a corrected mapping or by a newer version, and load what can be.

    The rows that were loaded before stay as they are.

    Example: `audotics rejects retry --file 7 --mapping corrected.toml`
    """
    from assets.blocks import users_blocking_by
    from assets.ingest.mapping import read_mapping
    from assets.ingest.retry import retry_rejects
    from assets.ingest.tabular import Tabular
    from orchestration.cli.ingest_reports import file_progress
    from orchestration.cli.rendering import print_json
    from orchestration.platform import open_platform
    from warehouse.roles import Role

    source = Tabular(read_mapping(mapping), str(mapping)) if mapping else None
    platform = open_platform()
    with file_progress() as show:
        report = retry_rejects(platform.warehouse_url, file, source, path, show)
    with platform.transaction(Role.LOADER) as connection:
        blocking = users_blocking_by(connection, [file])
    if as_json:
        print_json(asdict(report))
    else:
        _print_retried(report)
    # What was read again is told though Redis may fail.
    publish_of(platform, blocking)


def _print_retried(report: "RetryReport") -> None:
    from orchestration.cli.rendering import say

    became = {"duplicate": report.duplicate, "left out": report.left_out}
    others = "".join(f", {rows:,} {what}" for what, rows in became.items() if rows)
    say(f"{report.file}: read {counted(report.retried, 'rejected row')} again: {report.loaded:,} loaded{others}")
    if report.rejected:
        reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in report.reasons.items())
        say(f"still rejected: {reasons}")
